"""Drives through rendered roads whose every number is known; knows no ROS."""
