# Each command makes or mends what it needs first: see docs/installing.md.

OUT ?= out/run
SCENARIO ?= urban
PYTEST ?=
# A process per core. Each takes a stretch of files in order, and one that is done early takes from
# another, so that what a module shares is made once, at most twice.
PARALLEL = -n auto --maxprocesses 8 --dist worksteal
# The largest file to be committed beside the network files.
LARGEST_KB = 512

.DEFAULT_GOAL := help
.PHONY: help run test lint build

help:
	@echo 'make run [BAG=path/to/bag] [RATE=1.0] [MODEL=name|file.onnx] [PARAMS=file.yaml]'
	@echo '         [OUT=out/run]'
	@echo '    replay a recorded drive through the live segmenter; report, overlay video, contact'
	@echo '    sheet and results then stand in OUT. Without BAG a drive with exact truth is simulated'
	@echo '    first, [SCENARIO=urban], into OUT/drive, in place of the one before. Without RATE each'
	@echo '    frame waits for the last result.'
	@echo '    PARAMS: parameters of the node, a changed copy of config/segmenter.param.yaml'
	@echo '    e.g. make run'
	@echo '         make run SCENARIO=night OUT=out/night'
	@echo '         make run BAG=~/drives/monday'
	@echo '         make run BAG=~/drives/monday RATE=1.0 OUT=out/monday'
	@echo 'make test [PYTEST="-k images -x"]'
	@echo '    every test, on all cores: those of the network and of training in the training'
	@echo '    environment, all others in the ROS environment'
	@echo "    e.g. make test PYTEST='-m \"not slow\"'          without those of 5 s and more"
	@echo '         make test PYTEST="-n 0 -k images --pdb"   one by one, in this terminal'
	@echo 'make lint   style, spelling, imports, types, large files: what a commit must pass'
	@echo 'make build  the package with colcon, into .colcon/'
	@echo
	@echo 'tools/ros COMMAND and tools/training COMMAND run anything else in either environment,'
	@echo '    e.g. tools/ros ros2 launch asap_ros segment.launch.py image_topic:=/camera/image_raw'

run:
ifeq ($(strip $(BAG)),)
	@rm -rf -- '$(OUT)/drive'
	@tools/ros ros2 run asap_ros simulate --out '$(OUT)/drive' --scenario $(SCENARIO)
	@$(MAKE) --no-print-directory run BAG='$(OUT)/drive'
else
	@bag=$$(realpath -e -- $(BAG) 2>/dev/null) || { \
	    echo 'make run: there is no bag at $(BAG)' >&2; exit 2; }; \
	$(if $(PARAMS),test -f $(PARAMS) || { \
	    echo 'make run: there is no file $(PARAMS)' >&2; exit 2; };) \
	tools/ros ros2 launch asap_ros replay.launch.py bag:="$$bag" \
	    out:="$$(realpath -m -- $(OUT))" $(if $(RATE),lockstep:=false rate:=$(RATE)) $(if $(MODEL),model:=$(MODEL)) \
	    $(if $(PARAMS),params_file:="$$(realpath -m -- $(PARAMS))")
endif

# 5 is pytest's status where a selection leaves no test: that may be so in one environment.
test:
	@tools/ros python -m pytest -rs $(PARALLEL) $(PYTEST); ros=$$?; \
	tools/training python -m pytest -rs $(PARALLEL) $(PYTEST) test/network test/training; training=$$?; \
	case "$$ros $$training" in '0 0' | '0 5' | '5 0') ;; *) exit 1 ;; esac

lint:
	@tools/ros ruff check .
	@tools/ros ruff format --check --quiet .
	@tools/ros codespell
	@tools/ros env PYTHONSAFEPATH= PYTHONPATH='$(CURDIR)' lint-imports --no-logo
	@tools/ros mypy
	@tools/training env PYTHONPATH='$(CURDIR)' mypy asap_training asap_ros/network
	@large=$$(git ls-files -z -- ':!models' | xargs -0 sh -c 'find "$$@" -size +$(LARGEST_KB)k' sh); \
	test -z "$$large" || { echo "larger than $(LARGEST_KB) KiB: $$large" >&2; exit 1; }

build:
	@tools/build
