"""The lifecycle services as rclpy offers them, made safe against impossible requests."""

from __future__ import annotations

from collections.abc import Callable

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Answer a transition that the node's state does not have with success = false.

    In rclpy it raises out of the executor and ends the process (ros2/rclpy#1209).
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _guarded(node, service.callback)


def _guarded(node: LifecycleNode, change_state: Callable) -> Callable:
    def on_change_state(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # rclpy's RCLError, of a class that it does not export
            wanted = request.transition.label or request.transition.id
            node.get_logger().warning(f'transition {wanted} refused: {error}')
            response.success = False
            return response

    return on_change_state
