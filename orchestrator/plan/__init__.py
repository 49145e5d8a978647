"""What is to be run, as data: specs and their keys, recipes, scales, the study, cells, the order of runs, a simulation.

Runs anywhere; loads neither torch nor ray. Imports no other folder of `orchestrator`.
"""
