"""MuJoCo bodies, hands, and one physical pick."""
