"""Private, real-time body pose and segmentation, in the browser and natively."""
