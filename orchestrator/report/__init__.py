"""Results, intervals and tests, the paper's claims, figures and the page.

Runs in the driver or in any terminal. Imports `plan` and `storage`.
"""
