"""The panel of the Slicer module, in parts that know each other only by signals.

- :mod:`.panel`: loads the .ui file and puts the sections together. A new section is one file and one line in
  ``panel.SECTIONS``: a class with ``__init__(ui, session)`` that connects to the signals of :class:`.session.Session`;
- :mod:`.session`: what the sections share: the parameters in use, the run under way, the last result;
- ``*_section``: one part of the panel each;
- :mod:`.parameters`: what is kept in the scene; :mod:`.logic`: what Slicer's console calls;
- :mod:`.run_steps`, :mod:`.task`, :mod:`.task_slot`, :mod:`.observable`: work in small steps, between which the window
  lives.

Nothing here is imported before Slicer shows the panel or somebody asks for a run.
"""
