"""A label mask and a camera in, free space and the drivable corridor out; knows no ROS."""
