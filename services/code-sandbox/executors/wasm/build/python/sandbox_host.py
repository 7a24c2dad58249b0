# The way out of the component: what sandbox.wit imports.
from wit_world.imports.host import call_tools, print

__all__ = ['call_tools', 'print']
