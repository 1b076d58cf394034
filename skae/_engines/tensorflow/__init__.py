"""Any network, in TensorFlow."""
