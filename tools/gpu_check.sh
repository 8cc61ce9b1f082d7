#!/usr/bin/env bash
# Everything that takes a GPU, in one command: builds the engines of the shipped models in fp16 and
# fp32, runs their golden frames, compares their masks with ONNX Runtime's on real pictures, measures
# them and the same networks in torch, and judges the goals of docs/engines.md. Status 0: all are met;
# a goal that was not measured is not.
#
#   tools/gpu_check.sh [PICTURES [OUT]]     PICTURES: a folder of pictures or of several such folders,
#                                           without which agreement is not measured;
#                                           OUT: where the results go (default out/gpu_check)
#
# PYTHON        has numpy, scipy, opencv, onnx, onnxruntime, tqdm, PyYAML, cuda-bindings, and tensorrt
#               or tensorrt_rtx (default: tools/ros python). It needs no ROS.
# TORCH_PYTHON  has torch for CUDA and the above without TensorRT (default: tools/training python);
#               set it to nothing to leave the torch baseline out, and the ratio unjudged.
# FRAMES        measured calls of everything (default 300)
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;; esac
pictures=${1:+$(realpath -- "$1")} out=$(realpath -m -- "${2:-$root/out/gpu_check}")
read -ra python <<< "${PYTHON:-$root/tools/ros python}"
read -ra torch_python <<< "${TORCH_PYTHON-$root/tools/training python}"
frames=${FRAMES:-300}
mkdir -p "$out"
rm -f "$out"/bench.json "$out"/torch.json
cd "$root"  # not a package on PYTHONPATH: the environments of tools/ know the built one
[ -n "${PYTHON:-}" ] && export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

echo "gpu_check: engines, golden frames, masks and times (minutes: TensorRT measures kernels) …" >&2
"${python[@]}" -m asap_ros.cli.gpu_bench --frames "$frames" --cache "$out/engines" \
    ${pictures:+--pictures "$pictures"} > "$out/bench.json.partial" \
    || { rm "$out/bench.json.partial"; exit 1; }
mv "$out/bench.json.partial" "$out/bench.json"
if [ ${#torch_python[@]} -gt 0 ]; then
    echo "gpu_check: the same networks in torch …" >&2
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" "${torch_python[@]}" -m asap_training.torch_speed \
        --frames "$frames" > "$out/torch.json.partial" \
        && mv "$out/torch.json.partial" "$out/torch.json"
fi
"${python[@]}" tools/gpu_summary.py "$out/bench.json" "$out/torch.json" | tee "$out/summary.txt"
exit "${PIPESTATUS[0]}"
