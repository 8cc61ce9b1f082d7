#!/usr/bin/env bash
# Packs what tools/gpu_check.sh needs, for a GPU machine that has an NVIDIA driver and nothing else,
# not even a network: CPython 3.10, TensorRT 8.6 (the newest whose libraries are on the package
# index; Turing to Hopper) and the Python packages. Not torch: the baseline needs its own.
#
#   tools/pack_gpu_check.sh FOLDER     writes FOLDER/part_00, part_01, … of 60 MiB and FOLDER/SHA256
#
# On the GPU machine, in a checkout of this repository:
#   cat FOLDER/part_* | tar -xz -C /opt && PYTHON=/opt/gpu_check/python TORCH_PYTHON= tools/gpu_check.sh
#
# Needs here: python3.10 (of pyenv, uv or the system) with pip, gcc, unzip; 4 GB of disk.
set -euo pipefail
case ${1-} in '' | -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;; esac
mkdir -p "$1" && out=$(cd "$1" && pwd)
python=$(ls "$(pyenv root 2>/dev/null)"/versions/3.10.*/bin/python3.10 2>/dev/null | tail -1 || true)
python=${python:-$(uv python find 3.10 2>/dev/null || command -v python3.10 || true)}
[ -n "$python" ] || { echo 'pack_gpu_check: no python3.10 is found: uv python install 3.10' >&2; exit 1; }
home=$("$python" -c 'import sys; print(sys.base_prefix)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packed=$work/gpu_check
mkdir -p "$packed/home" "$packed/site" "$packed/stubs" "$work/wheels"

echo 'pack_gpu_check: downloading …' >&2
fetch() { "$python" -m pip download -q --only-binary=:all: --python-version 3.10 --implementation cp \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_24_x86_64 \
    --platform manylinux_2_28_x86_64 -d "$work/wheels" "$@"; }
fetch --no-deps --abi none tensorrt==8.6.0
fetch --abi cp310 --abi abi3 --abi none 'numpy<2' 'cuda-bindings<13' onnx onnxruntime opencv-python-headless \
    scipy PyYAML tqdm
for wheel in "$work"/wheels/*.whl; do unzip -q -o "$wheel" -d "$packed/site"; done
tar -C "$home" --exclude=test --exclude=tests --exclude=__pycache__ --exclude='*.a' --exclude=site-packages \
    -cf - bin lib | tar -C "$packed/home" -xf -

# TensorRT's library of plugins, of which none is used, wants cuBLAS and cuDNN to be loaded at all.
for library in libcublas.so.12 libcublasLt.so.12 libcudnn.so.8; do
    nm -D --undefined-only "$packed/site/tensorrt/libnvinfer_plugin.so.8" \
        | sed -n "s/.* \(.*\)@$library\$/int \1(void) { return 1; }/p" > "$work/stub.c"
    echo "$library { global: *; };" > "$work/stub.map"
    gcc -shared -fPIC -Wl,-soname,"$library" -Wl,--version-script,"$work/stub.map" \
        -o "$packed/stubs/$library" "$work/stub.c"
done
cat > "$packed/python" <<'END'
#!/usr/bin/env bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONHOME=$here/home PYTHONPATH=$here/site${PYTHONPATH:+:$PYTHONPATH}
export LD_LIBRARY_PATH=$here/site/tensorrt:$here/stubs:$here/home/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec "$here/home/bin/python3.10" "$@"
END
chmod +x "$packed/python"
"$packed/python" -c 'import cv2, onnx, onnxruntime, scipy, tensorrt, tqdm, yaml; from cuda.bindings import runtime' \
    || { echo 'pack_gpu_check: what was packed does not run here' >&2; exit 1; }
echo 'pack_gpu_check: packing …' >&2
rm -f "$out"/part_*
tar -C "$work" -czf - gpu_check | split -b 60M -d - "$out/part_"
(cd "$out" && sha256sum part_* > SHA256)
echo "pack_gpu_check: $(ls "$out"/part_* | wc -l) parts, $(du -sh "$out" | cut -f1) in $out"
