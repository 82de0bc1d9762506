"""Mesh files: the triangles of OBJ, STL, PLY, OFF and GLB, as each format defines them, all of them or a reason.

A file that promises more than it holds, or that holds a kind of surface that is not read, is refused: a reader that
quietly returns less makes another object. No other file is opened (textures, materials, buffers beside a .gltf).
"""
