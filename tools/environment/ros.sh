# Entering ROS 2 and this checkout's overlay; sourced by tools/ros and tools/build after common.sh.

overlay=$root/.colcon/install

# What an installed ROS 2 must offer asap_ros besides ROS itself, as module names.
python_needed='rclpy launch_ros tf2_ros vision_msgs diagnostic_updater numpy cv2 yaml onnxruntime onnx rosbags scipy psutil tqdm jinja2 matplotlib'

# ros_is_installed: whether the shell has sourced a ROS 2 that is not ours.
ros_is_installed() {
  [[ -n ${ROS_DISTRO:-} && -z ${ASAP_ROS_PREFIX:-} ]] && command -v ros2 >/dev/null
}

# check_installed_ros: fails with one sentence that names every Python package that is missing.
check_installed_ros() {
  local missing
  missing=$(python3 - $python_needed <<'PYTHON'
import importlib.util
import sys
print(' '.join(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))
PYTHON
  ) || fail "python3 of ROS 2 $ROS_DISTRO does not run"
  [[ -z $missing ]] || fail "ROS 2 $ROS_DISTRO is used as it is, but its python3 lacks: $missing;" \
    "install them with rosdep install --from-paths . --ignore-src, or with pip for $(command -v python3)"
}

# enter_ros: sets the environment of ROS 2, made first where none is installed.
enter_ros() {
  if ros_is_installed; then
    check_installed_ros
    identity="$ROS_DISTRO $(command -v ros2)"
  else
    prepare ros 3.12
    identity=$prefix
    if [[ ${ASAP_ROS_PREFIX:-} != "$prefix" ]]; then
      local site=$prefix/lib/python3.12/site-packages libraries
      printf -v libraries '%s:' "$prefix/lib" "$site"/ros_*.libs
      export ASAP_ROS_PREFIX=$prefix VIRTUAL_ENV=$prefix PATH=$prefix/bin:$PATH
      export AMENT_PREFIX_PATH=$prefix CMAKE_PREFIX_PATH=$prefix
      export LD_LIBRARY_PATH=${libraries%:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
      export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
      export RMW_IMPLEMENTATION=rmw_fastrtps_cpp  # the only one that this ROS has
      # The wheels start Python a second time to set LD_LIBRARY_PATH unless told that it is set.
      export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
      unset PYTHONHOME
    fi
  fi
  # The checkout's asap_ros lacks the generated messages: the folder that a command happens to
  # start in must not come before the built package.
  export PYTHONSAFEPATH=1
  export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
  if [[ $ROS_DISTRO == humble ]]; then  # knows only the older switch
    export ROS_LOCALHOST_ONLY=${ROS_LOCALHOST_ONLY:-1}
  fi
}

# overlay_key: changes with everything that a build looks at. Files are installed as links, so
# that edits show at once and only their names count; of what is generated from, contents count.
overlay_key() {
  {
    printf '%s\n' "$identity" "$root"
    cat "$root"/{CMakeLists.txt,package.xml,setup.cfg} "$root"/msg/*.msg
    find "$root"/{asap_ros,asap_simulation,launch,config,models,msg} -name __pycache__ -prune -o -type f -print |
      LC_ALL=C sort
  } | sha256sum
}

# overlay_is_fresh: whether the overlay was built from what the checkout holds now.
overlay_is_fresh() {
  [[ -f $root/.colcon/built && $(<"$root/.colcon/built") == "$(overlay_key)" ]]
}

# build_overlay: builds with colcon; calls at the same time wait for one another.
build_overlay() {
  local key started=$SECONDS base=$root/.colcon tool
  for tool in cmake make c++ colcon; do
    command -v $tool >/dev/null || fail "building the messages needs $tool and it is missing:" \
      'apt install build-essential cmake (and python3-colcon-common-extensions beside an installed ROS)'
  done
  mkdir -p "$base" || fail "$root cannot be written to: asap_ros is built in its folder .colcon"
  exec {lock}>"$base/lock"
  flock --nonblock "$lock" || { say 'another call is building asap_ros: waiting for it …'; flock "$lock"; }
  key=$(overlay_key)
  if [[ ! -f $base/built || $(<"$base/built") != "$key" ]]; then
    say 'building asap_ros with colcon …'
    if [[ ! -f $base/identity || $(<"$base/identity") != "$identity $root" ]]; then
      rm -rf "$base"/{build,install,built}
      printf '%s\n' "$identity $root" >"$base/identity"
    fi
    [[ ! -d $overlay ]] || find "$overlay" -xtype l -delete  # links to files that are gone
    colcon --log-base "$base/log" build --base-paths "$root" --packages-select asap_ros \
      --build-base "$base/build" --install-base "$overlay" --merge-install --symlink-install \
      --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$(command -v python3)" \
      --no-warn-unused-cli >"$base/build.log" 2>&1 {lock}>&- || {
      tail -n 25 "$base/build.log" >&2
      fail "building asap_ros failed (all of it in $base/build.log)"
    }
    printf '%s\n' "$key" >"$base/built"
    say "building asap_ros with colcon: $((SECONDS - started)) s"
  fi
  exec {lock}>&-
}

# enter_overlay: puts the built package on every path, built first where it is missing or stale.
enter_overlay() {
  overlay_is_fresh || build_overlay
  if [[ -z ${ASAP_ROS_PREFIX:-} ]]; then
    set +u
    source "$overlay/local_setup.bash"
    set -u
  elif [[ :$AMENT_PREFIX_PATH: != *:"$overlay":* ]]; then
    export AMENT_PREFIX_PATH=$overlay:$AMENT_PREFIX_PATH
    export PYTHONPATH=$overlay/lib/python3.12/site-packages${PYTHONPATH:+:$PYTHONPATH}
    export LD_LIBRARY_PATH=$overlay/lib:$LD_LIBRARY_PATH
  fi
}
