/**
 * Paths of routes as a tree of segments. From the left, a plain segment is more specific than a parameter (`:id`, any one
 * segment that is not empty), and that than the rest (`*`). The cost of a look-up depends on the depth of the tree, not on
 * how many paths there are, nor on how many slashes are asked for.
 */
export interface PathTree<Value> {
  /** Of paths that the tree does not tell apart the values are kept together. */
  add(pattern: string, value: Value): void
  /** The most specific; undefined where nothing takes the path. */
  find(path: string): Found<Value> | undefined
}

export interface Found<Value> {
  readonly values: readonly Value[]
  /** Which segments were taken for parameters, from 0. */
  readonly parameters: readonly number[]
  /** Which segment `*` began with; -1 where all of them are named. */
  readonly restSegment: number
}

interface Node<Value> {
  readonly plain: Map<string, Node<Value>>
  parameter: Node<Value> | undefined
  readonly exact: Value[]
  readonly wildcard: Value[]
}

/** @param takesOwnPath a `*` takes its own path too, without the slash: as some servers do */
export function pathTree<Value>({ takesOwnPath }: { takesOwnPath: boolean }): PathTree<Value> {
  const root = newNode<Value>()

  function search(node: Node<Value>, path: string, start: number, segment: number): Found<Value> | undefined {
    if (start > path.length) {
      const own = takesOwnPath ? [...node.exact, ...node.wildcard] : node.exact
      return own.length === 0 ? undefined : { values: own, parameters: [], restSegment: -1 }
    }
    const slash = path.indexOf('/', start)
    const end = slash < 0 ? path.length : slash
    const plain = node.plain.size === 0 ? undefined : node.plain.get(path.slice(start, end))
    const found = plain && search(plain, path, end + 1, segment + 1)
    if (found) return found
    if (node.parameter !== undefined && end > start) {
      const below = search(node.parameter, path, end + 1, segment + 1)
      if (below) return { ...below, parameters: [segment, ...below.parameters] }
    }
    return node.wildcard.length === 0 ? undefined : { values: node.wildcard, parameters: [], restSegment: segment }
  }

  return {
    add(pattern, value) {
      const segments = pattern === '' ? [] : pattern.slice(1).split('/')
      const isWildcard = segments.at(-1) === '*'
      let node = root
      for (const segment of isWildcard ? segments.slice(0, -1) : segments) node = childOf(node, segment)
      ;(isWildcard ? node.wildcard : node.exact).push(value)
    },
    find: (path) => search(root, path, 1, 0),
  }
}

function newNode<Value>(): Node<Value> {
  return { plain: new Map(), parameter: undefined, exact: [], wildcard: [] }
}

function childOf<Value>(node: Node<Value>, segment: string): Node<Value> {
  if (segment.startsWith(':')) {
    node.parameter ??= newNode()
    return node.parameter
  }
  const known = node.plain.get(segment)
  if (known) return known
  const made = newNode<Value>()
  node.plain.set(segment, made)
  return made
}
