"""What people hand over as files: depth images, masks, camera poses, intrinsics; each read as what it says it is."""
