#!/usr/bin/env bash
# Makes a virtual environment with pip in it: create_venv.sh PYTHON FOLDER
# A working one is kept. Debian ships Python without ensurepip; as root its package is installed, else it is named.
set -euo pipefail

python=$1
folder=$2

if "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: $python is not Python 3.11 or newer; name one, for example: make setup PYTHON=python3.11" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: $python lacks ensurepip; install it (on Debian: sudo apt-get install $package) and run make again" >&2
        exit 1
    fi
    echo "setup: installing $package"
    apt-get update -qq </dev/null >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" </dev/null >/dev/null
fi

echo "setup: creating $folder with $("$python" --version)"
rm -rf "$folder"
"$python" -m venv "$folder"
