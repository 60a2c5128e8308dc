"""BlazePose GHUM 3D: 33 landmarks in the picture and in metres, and a mask, of one person or several.

ref: https://arxiv.org/abs/2006.10204, https://arxiv.org/abs/2206.11678, mediapipe/modules/pose_landmark
"""

from bodylens.blazepose.pipeline import BlazePose

__all__ = ["BlazePose"]
