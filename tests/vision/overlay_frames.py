"""What the GStreamer element has to make of a video:
    overlay_frames.py PLUGIN MODEL IN OUT WIDTH HEIGHT EVERY OPACITY

IN and OUT are packed 8-bit RGB frames, one after the other. Every EVERY-th frame is explained, and its map is
drawn over it and those that follow.
"""

import sys

import scorecam

plugin, model_path, source, sink = sys.argv[1:5]
width, height, every = map(int, sys.argv[5:8])
opacity = float(sys.argv[8])
model = scorecam.Host([plugin]).load_model(model_path)
with open(source, "rb") as frames, open(sink, "wb") as out:
    index = 0
    while pixels := frames.read(3 * width * height):
        photo = scorecam.Photo(pixels, width, height)
        if index % every == 0:
            explanation = model.explain(photo)
        out.write(explanation.overlay(photo, opacity=opacity))
        index += 1
