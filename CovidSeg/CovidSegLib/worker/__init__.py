"""Work in a child process: a file that breaks a library, or a driver, costs one scan and nothing else.

:mod:`.parent` is what callers use; :mod:`.process` holds the running child, :mod:`.child` is what runs there, and
:mod:`.jobs` what it can be asked to do. Nothing is imported here: the child moves its output away first.
"""
