"""Who makes a tensor and who uses it."""

from bodylens_models.convert.graph import Graph, Node


class Links:
    """The edges of a graph at one moment."""

    def __init__(self, graph: Graph) -> None:
        self.maker: dict[str, Node] = {}
        self.users: dict[str, list[Node]] = {}
        self.kept = {value.name for value in graph.outputs}
        for node in graph.nodes:
            for name in node.outputs:
                self.maker[name] = node
            for name in node.inputs:
                self.users.setdefault(name, []).append(node)

    def only_user(self, name: str) -> Node | None:
        """The one node that uses the tensor, or None when there are others or it is an output."""
        users = self.users.get(name, [])
        return users[0] if len(users) == 1 and name not in self.kept else None
