"""Serves an ONNX model on MLServer, a real server of the Open Inference Protocol, for the tests of the backend kserve."""

import asyncio

import onnxruntime
from mlserver import MLModel, ModelSettings, types
from mlserver.codecs import NumpyCodec

DATATYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}


def described(tensors):
    """Inputs or outputs as the protocol describes them: an axis of any length is -1."""
    return [
        types.MetadataTensor(
            name=tensor.name,
            datatype=DATATYPES[tensor.type],
            shape=[length if isinstance(length, int) else -1 for length in tensor.shape],
        )
        for tensor in tensors
    ]


class OnnxModel(MLModel):
    def __init__(self, settings: ModelSettings):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(settings.parameters.uri, options, ["CPUExecutionProvider"])
        settings.inputs = described(self.session.get_inputs())
        settings.outputs = described(self.session.get_outputs())
        super().__init__(settings)

    async def load(self) -> bool:
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        inputs = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        wanted = [output.name for output in payload.outputs or []] or None
        found = await asyncio.to_thread(self.session.run, wanted, inputs)
        names = wanted or [output.name for output in self.session.get_outputs()]
        outputs = [NumpyCodec.encode_output(name, value) for name, value in zip(names, found)]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
