"""Runs a notebook with nbclient and our kernel, and writes what it stores.

usage: nbclient_run.py IN.ipynb OUT.ipynb   (with the Python of the environment that `cargo lathe lab` makes)
"""
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600, kernel_name="lathe", record_timing=False).execute()
nbformat.validate(notebook)
nbformat.write(notebook, sys.argv[2])
