"""A stand-in for Slicer's window, so that the real module runs in tests: real MRML, real Qt widgets, no Slicer.

- :mod:`.pythonqt`: the modules ``qt`` and ``ctk`` over PySide6, off-screen, with the manners of PythonQt;
- :mod:`.widgets`, :mod:`.node_selector`: the few widgets of CTK and MRML that the panel uses;
- :mod:`.scripted`, :mod:`.parameter_node`: base classes of scripted modules and the parameter node wrapper. With the
  environment variable COVIDSEG_SLICER_SOURCE (a checkout of Slicer's sources) Slicer's own files take their place;
- :mod:`.application`: scene and logics (pip package slicer-core), ``slicer.app``, ``slicer.modules``, the column of
  modules; beside this package ``Testing.kit.slicers_packaging``, Slicer's installer of packages;
- :mod:`.module`: loads ``CovidSeg.py`` as Slicer does, and what a test needs to look and click.

Where something here behaves as Slicer does in a way that a module must know, it was read from these files of 5.12:

==================================================  =================================================================
what is selected when nodes go, after an import,    Libs/MRML/Widgets: qMRMLSceneModel.cxx, qMRMLNodeComboBox.cxx
of two nodes with one name
the width that a panel asks its window for          Base/QTGUI/qSlicerModulePanel.cxx; CTK: Libs/Widgets,
                                                    ctkCollapsibleButton.cpp and ctkComboBox.cpp
what views ask of a segmentation while it changes   the real vtkMRMLSegmentationsDisplayableManager2D.cxx and 3D.cxx, of
                                                    the package slicer-core, in ``CovidSegLib.report.views``
what a change of a node in the parameters sets off  Base/Python/slicer/parameterNodeWrapper: wrapper.py and
                                                    guiConnectors.py
sample data, and a module's own test                Modules/Scripted/SampleData/SampleData.py;
                                                    Base/Python/slicer/ScriptedLoadableModule.py
installation of packages                            Base/Python/slicer/packaging.py
codes of segments, sorted by the name of the list   Modules/Loadable/Terminologies/Logic,
                                                    vtkSlicerTerminologiesModuleLogic.cxx
==================================================  =================================================================

It is strict: an attribute, a signal or a property that PythonQt would not have raises AttributeError or ValueError,
also when it is assigned. What slicer-core or PySide6 have, and a real Slicer has not, it cannot know: the names of the
widgets here were read from the headers of Slicer 5.10 and 5.12.

What it cannot prove: how Slicer looks (its style and icons), that a widget of CTK or MRML behaves in every case as its
stand-in, ownership and deletion of objects between Python and C++, threads under PythonQt (which holds Python's lock
while the window is idle), translations, the Segment Editor's own window, and everything on Windows and macOS. For that
there is the module's own test in a real Slicer: ``Testing/run_in_slicer.sh``.
"""
