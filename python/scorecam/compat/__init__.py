"""Score-CAM in the shapes of other tools: their names, arguments, shapes and numbers.

One module per tool: `captum`, `pytorch_grad_cam`, `torchcam`, `tf_explain`, `saliency`, `deep_viz_keras`,
`pytorch_cnn_visualizations`, `tf_keras_vis`, `matheushent` and `bunbunjp`. None is imported unless a user imports it, and none needs its tool beyond what its
docstring says.
"""
