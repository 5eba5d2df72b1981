"""What the sections of the panel share: its session, the parameters in the scene, and work in small steps.

- :mod:`.session`: the parameters in use, the run under way, the numbers shown, and signals that tell of changes;
- :mod:`.parameters`: what is kept in the scene;
- :mod:`.run_steps`, :mod:`.task`, :mod:`.task_slot`, :mod:`.observable`: work in small steps, between which the window
  lives.
"""
