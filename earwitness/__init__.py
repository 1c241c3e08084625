"""The public face of Earwitness. In the wheel the cases that ship lie beside this file."""
