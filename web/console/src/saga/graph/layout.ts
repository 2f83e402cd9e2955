import { Graph, layout as dagre } from '@dagrejs/dagre'
import { endsOf, modelOf, startsOf, type GraphEdge, type GraphStep } from './model.ts'

/** Direction is how the graph runs: down, or to the right. */
export type Direction = 'down' | 'right'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Size {
  readonly width: number
  readonly height: number
}

type Box = Point & Size

/** Placed is something with a place: a step, or one of the two marks. x and y are its upper left corner. */
export interface Placed extends Point, Size {
  /** The id of the step behind those of the sub-sagas that it is in; of marks startMark and endMark. */
  readonly path: string
  readonly kind: 'step' | 'group' | 'mark'
  readonly step?: GraphStep
  readonly depth: number
}

export interface PlacedEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly kind: GraphEdge['kind'] | 'mark'
  readonly label?: string
  readonly labelAt?: Point
  readonly points: readonly Point[]
}

export interface Layout extends Size {
  readonly nodes: readonly Placed[]
  readonly edges: readonly PlacedEdge[]
}

export interface LayoutOptions {
  readonly direction: Direction
  readonly sizeOf: (step: GraphStep) => Size
  /** The steps of sub-sagas that are unfolded, by the path of the step that runs them. */
  readonly open?: Readonly<Record<string, readonly GraphStep[]>>
}

/** Paths of the marks where it begins and ends; no step can be called so. */
export const startMark = ' start'
export const endMark = ' end'

const markSize: Size = { width: 26, height: 26 }
const space = { node: 36, rank: 46, edge: 24, group: 18, groupHead: 40 }
const deepest = 8

/** layoutOf places steps and edges. The same steps are placed in the same way always; nothing of it is stored. */
export function layoutOf(steps: readonly GraphStep[], options: LayoutOptions): Layout {
  return place(steps, options, '', 0)
}

interface Named {
  readonly edge: GraphEdge
  readonly name: string
  readonly mark?: boolean
}

interface Inner {
  readonly layout: Layout
  readonly size: Size
}

function place(steps: readonly GraphStep[], options: LayoutOptions, prefix: string, depth: number): Layout {
  const model = modelOf(steps)
  const inner = new Map<string, Inner>()
  for (const step of steps) {
    const sub = options.open?.[prefix + step.id]
    if (!sub || depth >= deepest) continue
    const layout = place(sub, options, `${prefix}${step.id}/`, depth + 1)
    const width = Math.max(layout.width, options.sizeOf(step).width) + 2 * space.group
    inner.set(step.id, { layout, size: { width, height: layout.height + space.groupHead + space.group } })
  }
  const graph = new Graph({ multigraph: true })
  graph.setGraph({
    rankdir: options.direction === 'down' ? 'TB' : 'LR',
    nodesep: space.node,
    ranksep: space.rank,
    edgesep: space.edge,
    marginx: 0,
    marginy: 0,
  })
  for (const step of steps) graph.setNode(step.id, { ...(inner.get(step.id)?.size ?? options.sizeOf(step)) })
  const edges: Named[] = model.edges.map((edge, i) => ({ edge, name: String(i) }))
  if (depth === 0 && steps.length > 0) {
    graph.setNode(startMark, { ...markSize })
    graph.setNode(endMark, { ...markSize })
    const mark = (from: string, to: string) => {
      edges.push({ edge: { from, to, kind: 'next' }, name: 'mark', mark: true })
    }
    for (const to of startsOf(model)) mark(startMark, to)
    for (const from of endsOf(model)) mark(from, endMark)
  }
  for (const { edge, name } of edges) graph.setEdge(edge.from, edge.to, labelSize(edge), name)
  if (steps.length > 0) {
    dagre(graph)
    asInDocument(steps, graph, options.direction)
  }
  return collect({ steps, graph, edges, inner, options, prefix, depth })
}

interface Spot {
  x: number
  y: number
  points?: { x: number; y: number }[]
}

/** asInDocument mirrors the graph if most of what stands side by side is in the reverse order of the document. */
function asInDocument(steps: readonly GraphStep[], graph: Graph, direction: Direction): void {
  const down = direction === 'down'
  const spots = steps.map((step) => graph.node(step.id) as Spot)
  let right = 0
  for (let i = 0; i < spots.length; i++) {
    for (let j = i + 1; j < Math.min(spots.length, i + 50); j++) {
      const [a, b] = [spots[i]!, spots[j]!]
      if (down ? a.y === b.y : a.x === b.x) right += Math.sign(down ? b.x - a.x : b.y - a.y)
    }
  }
  if (right >= 0) return
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  const mirror = (spot: Spot) => {
    if (down) spot.x = width - spot.x
    else spot.y = height - spot.y
  }
  for (const id of graph.nodes()) mirror(graph.node(id) as Spot)
  for (const edge of graph.edges()) {
    const found = graph.edge(edge) as Spot
    mirror(found)
    found.points?.forEach(mirror)
  }
}

/** labelSize is the room that an edge wants for what is written on it. */
function labelSize(edge: GraphEdge): { width: number; height: number; labelpos: string } {
  if (edge.kind === 'next') return { width: 0, height: 0, labelpos: 'c' }
  return { width: Math.min(160, 24 + 7 * (edge.label ?? 'if refused').length), height: 20, labelpos: 'c' }
}

interface Collected {
  steps: readonly GraphStep[]
  graph: Graph
  edges: readonly Named[]
  inner: ReadonlyMap<string, Inner>
  options: LayoutOptions
  prefix: string
  depth: number
}

function collect({ steps, graph, edges, inner, options, prefix, depth }: Collected): Layout {
  const nodes: Placed[] = []
  const drawn: PlacedEdge[] = []
  const boxOf = (id: string): Box => {
    const node = graph.node(id) as { x: number; y: number; width: number; height: number }
    return { x: node.x - node.width / 2, y: node.y - node.height / 2, width: node.width, height: node.height }
  }
  for (const step of steps) {
    const box = boxOf(step.id)
    const sub = inner.get(step.id)
    nodes.push({ ...box, path: prefix + step.id, kind: sub ? 'group' : 'step', step, depth })
    if (!sub) continue
    const dx = box.x + (box.width - sub.layout.width) / 2
    const dy = box.y + space.groupHead
    nodes.push(...sub.layout.nodes.map((node) => ({ ...node, x: node.x + dx, y: node.y + dy })))
    drawn.push(...sub.layout.edges.map((edge) => moved(edge, dx, dy)))
  }
  if (graph.hasNode(startMark)) {
    for (const path of [startMark, endMark]) nodes.push({ ...boxOf(path), path, kind: 'mark', depth })
  }
  for (const { edge, name, mark } of edges) {
    const found = graph.edge({ v: edge.from, w: edge.to, name }) as { points?: Point[]; x?: number; y?: number }
    const labelled = edge.kind !== 'next'
    const points = route(boxOf(edge.from), boxOf(edge.to), found.points ?? [], options.direction, labelled)
    drawn.push({
      id: `${prefix}${edge.from}>${edge.to} ${name}`,
      from: prefix + edge.from,
      to: prefix + edge.to,
      kind: mark ? 'mark' : edge.kind,
      points,
      ...(edge.label === undefined ? {} : { label: edge.label }),
      ...(found.x === undefined || found.y === undefined ? {} : { labelAt: { x: found.x, y: found.y } }),
    })
  }
  const width = Math.max(0, ...nodes.map((node) => node.x + node.width))
  const height = Math.max(0, ...nodes.map((node) => node.y + node.height))
  return { nodes, edges: drawn, width, height }
}

function moved(edge: PlacedEdge, dx: number, dy: number): PlacedEdge {
  const shift = (point: Point) => ({ x: point.x + dx, y: point.y + dy })
  return { ...edge, points: edge.points.map(shift), ...(edge.labelAt ? { labelAt: shift(edge.labelAt) } : {}) }
}

/** route leads from the end of one box to the begin of another, through points between that keep it off the rest. */
function route(from: Box, to: Box, points: readonly Point[], direction: Direction, labelled: boolean): Point[] {
  const between = points.length > 3 || labelled ? points.slice(1, -1) : []
  if (direction === 'down') {
    const out = { x: from.x + from.width / 2, y: from.y + from.height }
    return [out, ...between, { x: to.x + to.width / 2, y: to.y }]
  }
  const out = { x: from.x + from.width, y: from.y + from.height / 2 }
  return [out, ...between, { x: to.x, y: to.y + to.height / 2 }]
}

/** pathOf draws a smooth line through points, which leaves and reaches each of them in the direction of the graph. */
export function pathOf(points: readonly Point[], direction: Direction): string {
  const [first, ...rest] = points
  if (!first) return ''
  let at = first
  let path = `M${round(first.x)} ${round(first.y)}`
  for (const next of rest) {
    const mid = direction === 'down' ? (at.y + next.y) / 2 : (at.x + next.x) / 2
    path +=
      direction === 'down'
        ? `C${round(at.x)} ${round(mid)} ${round(next.x)} ${round(mid)} ${round(next.x)} ${round(next.y)}`
        : `C${round(mid)} ${round(at.y)} ${round(mid)} ${round(next.y)} ${round(next.x)} ${round(next.y)}`
    at = next
  }
  return path
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}

export type Arrow = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight'

/** neighbour is the step that an arrow key leads to: the nearest one that lies in that direction. */
export function neighbour(nodes: readonly Placed[], from: string, arrow: Arrow): string | undefined {
  const here = nodes.find((node) => node.path === from)
  if (!here) return undefined
  const [ox, oy] = middle(here)
  let best: string | undefined
  let least = Infinity
  for (const node of nodes) {
    if (node.path === from || node.kind === 'mark') continue
    const [x, y] = middle(node)
    const upright = arrow === 'ArrowUp' || arrow === 'ArrowDown'
    const ahead = upright ? y - oy : x - ox
    const along = arrow === 'ArrowUp' || arrow === 'ArrowLeft' ? -ahead : ahead
    const aside = Math.abs(upright ? x - ox : y - oy)
    if (along <= 1) continue
    const far = along + 2 * aside
    if (far < least) {
      least = far
      best = node.path
    }
  }
  return best
}

function middle(box: Box): [number, number] {
  return [box.x + box.width / 2, box.y + box.height / 2]
}

/** zoomOf is how large a layout can be shown as a whole. */
export function zoomOf(layout: Size, room: Size): number {
  return Math.min(1, room.width / (layout.width * 1.1 + 1), room.height / (layout.height * 1.1 + 1))
}

/** bestDirection is the one in which a graph can be read in a room: down unless it is small so, and larger the other
 * way. */
export function bestDirection(down: Size, right: Size, room: Size): Direction {
  const zoom = zoomOf(down, room)
  return zoom < 0.75 && zoomOf(right, room) > zoom ? 'right' : 'down'
}
