"""The command ``covidseg``: one file per sub-command, each with ``add_parser`` and ``run(args) -> exit code``.

Exit codes: 0 done; 2 the input or the call is wrong (one line ``error: ...``); 1 our own fault; 130 cancelled.
:func:`CovidSegLib.cli.main.main` is the way in.
"""
