"""Training, judging and exporting the networks of CovidSeg: the command ``covidseg-train``. See README.md beside this.

Data: ``cases`` finds scans and labels, ``check`` looks at them, ``dataset`` reads them slice by slice, ``cache`` keeps
what is framed, ``augmentation`` changes what is drawn, ``streams`` draws. Network: ``architecture``, ``losses``,
``trainer`` (one step, any number of devices), ``training`` (the loop; ``config`` its settings, ``start`` what it starts
from, ``validation`` the look at a watched fold, ``run_folder`` what it leaves, ``memory`` how it keeps memory),
``crossval`` (all folds; ``crossval_child`` one step of it), ``seed`` (the notebook this began from). Judging:
``metrics``, ``evaluation`` (through the shipped pipeline), ``protocol`` (the whole table from fold networks),
``trained_on`` (no network judges what it learned from), ``figures``, ``tables``. Shipping: ``export``, ``compact``
(float16, int8), ``agreement`` (all formats say the same), ``card``.
Commands: ``cli`` and ``cli_*``, ``needs`` (what is looked at first), ``progress_log`` (what is said meanwhile).
All that prediction does too comes from ``CovidSegLib.network.inputs``.
"""
