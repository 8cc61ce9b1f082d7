# Shared by tools/ros, tools/training and tools/build; sourced, never run.
# Here is the fast path: a finished environment is found in a few milliseconds without Python.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
root=${tools%/*}
cache=${ASAP_ROS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/asap_ros}
[[ $cache == /* ]] || cache=$PWD/$cache

say() { printf 'asap_ros: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# digest FILE... : twelve hexadecimal digits that change with the files' contents.
digest() { cat -- "$@" | sha256sum | cut -c1-12; }

# runs PYTHON VERSION: whether it starts at all (a pyenv shim may not) and is that version.
runs() {
  "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

# find_python VERSION: prints the first interpreter of that version that runs and can make
# virtual environments; where there is none, says on stderr what is missing.
find_python() {
  local candidate partial=''
  local -a candidates
  mapfile -t candidates < <(type -aP "python$1")
  if command -v pyenv >/dev/null; then
    candidates+=("$(pyenv root 2>/dev/null)"/versions/"$1"*/bin/python)
  fi
  if command -v uv >/dev/null; then
    candidates+=("$(uv python find "$1" 2>/dev/null || true)")
  fi
  for candidate in "${candidates[@]}"; do
    [[ -n $candidate ]] && runs "$candidate" "$1" || continue
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
    partial=$candidate
  done
  [[ -z $partial ]] || say "$partial has no venv module: apt install python$1-venv"
  return 1
}

# prepare NAME VERSION...: sets prefix to the environment NAME, made first where it is missing,
# for the first of the Python VERSIONs that is found.
prepare() {
  local name=$1 version python=''
  shift
  local -a pins=("$tools/environment/$name.requirements.txt")
  if [[ $name == ros ]]; then
    pins+=("$tools"/environment/{ros_interfaces.packages.txt,interfaces/CMakeLists.txt}
           "$tools"/environment/{ros_packages,ros_tree}.py
           "$tools"/environment/ros_tree.{packages,requirements}.txt
           "$tools"/ros2_launch/setup.py "$tools"/ros2_launch/asap_ros2_launch/*.py)
  fi
  prefix=$cache/$name-$(digest "${pins[@]}")
  if [[ -x $prefix/bin/python && -f $prefix/ready && $(<"$prefix/ready") == "$prefix" ]]; then
    return 0
  fi
  for version in "$@"; do
    python=$(find_python "$version") && break
  done
  [[ -n $python ]] || fail "the $name environment needs Python $1 and none was found:" \
    "install it (apt install python$1 python$1-venv python$1-dev, uv python install $1," \
    "or pyenv install $1) and run the same command again"
  "$python" "$tools/environment/make.py" "$name" "$prefix"
}
