"""Loads a server with equal requests as fast as it takes them, and says how many images a second it answers at best.

What an explanation is measured against: it cannot be faster than its passes are here.

    python load.py 127.0.0.1:8081 net 6 3 227 227 --requests 80
"""

import argparse
import asyncio
import time

import grpc
import numpy
from mlserver.grpc import dataplane_pb2 as protocol


async def load(stub, message: bytes, requests: int, at_once: int) -> float:
    """Seconds for so many requests, of which so many are under way at a time."""
    left = iter(range(requests))

    async def work():
        for _ in left:
            await stub(message)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return time.perf_counter() - begun


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("model")
    parser.add_argument("shape", type=int, nargs="+", help="of a request's images, the batch first")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2, 3, 4, 8])
    parser.add_argument("--output", default="logits")
    chosen = parser.parse_args()
    images = numpy.random.default_rng(7).normal(0, 60, chosen.shape).astype(numpy.float32)
    request = protocol.ModelInferRequest(model_name=chosen.model, raw_input_contents=[images.tobytes()])
    request.inputs.add(name="input", datatype="FP32", shape=chosen.shape)
    request.outputs.add(name=chosen.output)
    message = request.SerializeToString()
    async with grpc.aio.insecure_channel(chosen.server) as channel:
        # Bytes go and come as they are, so that next to no time is this script's.
        stub = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        await load(stub, message, 4, 2)
        for at_once in chosen.at_once:
            seconds = await load(stub, message, chosen.requests, at_once)
            print(f"{at_once} at once: {chosen.requests * chosen.shape[0] / seconds:.1f} images a second")


asyncio.run(main())
