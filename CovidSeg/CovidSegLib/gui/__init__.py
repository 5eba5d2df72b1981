"""The panel of the Slicer module, in parts that know each other only by signals.

- :mod:`.panel`: loads the .ui file and puts the sections together;
- :mod:`.sections`: one part of the panel each; :mod:`.core`: what they share;
- :mod:`.logic`, :mod:`.report_steps`: what Slicer's console calls;
- :mod:`.startup`, :mod:`.self_test`: what Slicer does when it starts, and in its own tests.

Nothing here is imported before Slicer shows the panel or somebody asks for a run.
"""
