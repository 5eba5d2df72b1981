"""The parts of the panel, which know each other only by the signals of :class:`..core.session.Session`.

A section is a class with ``__init__(ui, session)``, in a file of its own and a line of ``panel.SECTIONS``.
"""
