"""Pictures of assignments, metrics and groupings, as SVG and PNG.

May import `app.formats`; the modules are loaded when the first picture is asked for.
"""
