"""MoveNet: 17 keypoints of one person (Lightning, Thunder) or of up to six (MultiPose).

ref: https://blog.tensorflow.org/2021/05/next-generation-pose-detection-with-movenet-and-tensorflowjs.html
"""

from bodylens.movenet.multi import MoveNetMultiPose
from bodylens.movenet.single import MoveNet

__all__ = ["MoveNet", "MoveNetMultiPose"]
