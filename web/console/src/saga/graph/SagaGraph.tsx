import '@xyflow/react/dist/base.css'
import { Background, BackgroundVariant, MarkerType, MiniMap, ReactFlow } from '@xyflow/react'
import { ReactFlowProvider, useReactFlow } from '@xyflow/react'
import type { ReactFlowProps } from '@xyflow/react'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { KeyboardEvent, ReactNode, RefObject } from 'react'
import { useLanguage, useWords } from '@/i18n'
import { describe } from './describe.ts'
import { GraphTools } from './GraphTools.tsx'
import { bestDirection, layoutOf, neighbour, pathOf, zoomOf } from './layout.ts'
import type { Arrow, Direction, Layout, PlacedEdge, Size } from './layout.ts'
import type { GraphStep } from './model.ts'
import type { Paints } from './paint.ts'
import classes from './SagaGraph.module.css'
import { sizeOf } from './size.ts'
import { StepList } from './StepList.tsx'
import {
  GraphActsContext,
  GroupNode,
  MarkNode,
  StepNode,
  type GraphActs,
  type StepFlowNode,
} from './StepNode.tsx'
import { WayEdge, type WayFlowEdge } from './WayEdge.tsx'
import { words } from './words.ts'

export interface SagaGraphProps {
  readonly steps: readonly GraphStep[]
  readonly paint?: Paints | undefined
  /** Whether steps have a line for their state although none is painted yet, so that nothing moves when it is. */
  readonly painted?: boolean
  /** The path of the selected step. */
  readonly selected?: string | undefined
  readonly onSelect?: (path: string | undefined) => void
  /** Double click, or Enter on what is selected. */
  readonly onOpen?: (path: string) => void
  readonly label?: string
  /** A CSS height. */
  readonly height?: string
  /** Absent: as it fits better. */
  readonly direction?: Direction
  /** The steps of sub-sagas that are unfolded, by the path of the step that runs them; onFold asks to change that. */
  readonly open?: Readonly<Record<string, readonly GraphStep[]>>
  readonly onFold?: (path: string) => void
  readonly miniMap?: boolean
  /** What the wheel does without Ctrl: scroll the page, or move the graph. */
  readonly wheel?: 'page' | 'graph'
  /** Besides the graph's own buttons. */
  readonly tools?: ReactNode
  /** Put on each step, or edge, such as buttons to edit it. */
  readonly stepExtra?: (path: string, step: GraphStep) => ReactNode
  readonly wayExtra?: (way: PlacedEdge) => ReactNode
  /** More of the library's own properties, such as those of connecting. */
  readonly flow?: Partial<ReactFlowProps<StepFlowNode, WayFlowEdge>>
}

// Not "group", which the library gives a look of its own.
const nodeTypes = { step: StepNode, sub: GroupNode, mark: MarkNode }
const edgeTypes = { way: WayEdge }
const arrows = new Set(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'])
const arrowhead = { type: MarkerType.ArrowClosed, width: 14, height: 14 }
const markers = {
  taken: { ...arrowhead, color: 'var(--c-text)' },
  plain: { ...arrowhead, color: 'var(--way)' },
}
const fitting = { padding: 0.08, maxZoom: 1, minZoom: 0.2 }

/** SagaGraph draws the steps of a saga, with what is painted on them. Use it through ./index.ts, which loads it when it
 * is first shown. */
export default function SagaGraph(props: SagaGraphProps) {
  return (
    <ReactFlowProvider>
      <Graph {...props} />
    </ReactFlowProvider>
  )
}

function Graph(props: SagaGraphProps) {
  const t = useWords(words)
  const [turned, setTurned] = useState<Direction>()
  const [asList, setAsList] = useState(false)
  const painted = !!props.painted || hasStates(props.paint)
  const box = useRef<HTMLDivElement>(null)
  const room = useRoom(box)
  const { layout, direction } = useLayout(props, painted, turned ?? props.direction, room)
  const nodes = useNodes(props, layout, direction, painted)
  const edges = useEdges(props, layout, direction)
  const acts = useActs(props)
  const flow = useReactFlow()
  const touched = useFit(layout, direction, room, asList)
  const onKeyDown = (event: KeyboardEvent) =>
    moveByKey(event, { layout, box: box.current, flow, onOpen: props.onOpen })
  const wheel = props.wheel ?? 'page'
  return (
    <div
      ref={box}
      className={classes['graph']}
      role="group"
      aria-label={props.label ?? t('graph')}
      data-list={asList || undefined}
      style={{ height: props.height }}
    >
      <GraphTools
        list={asList}
        onList={() => setAsList(!asList)}
        onTurn={() => setTurned(direction === 'down' ? 'right' : 'down')}
        onFit={() => {
          touched.current = false
          void flow.fitView(fitting)
        }}
        onZoom={(by) => {
          touched.current = true
          void (by > 0 ? flow.zoomIn() : flow.zoomOut())
        }}
      >
        {props.tools}
      </GraphTools>
      {asList ? (
        <div className={classes['listBox']}>
          <StepList
            steps={props.steps}
            paint={props.paint}
            selected={props.selected}
            onSelect={props.onSelect}
            open={props.open}
          />
        </div>
      ) : (
        <div className={classes['canvas']} onKeyDown={onKeyDown}>
          <GraphActsContext value={acts}>
            <ReactFlow<StepFlowNode, WayFlowEdge>
              nodes={nodes}
              edges={edges}
              nodeTypes={nodeTypes}
              edgeTypes={edgeTypes}
              nodesDraggable={false}
              nodesConnectable={false}
              nodesFocusable={false}
              edgesFocusable={false}
              elementsSelectable={false}
              disableKeyboardA11y
              deleteKeyCode={null}
              selectionKeyCode={null}
              multiSelectionKeyCode={null}
              zoomOnScroll={false}
              panOnScroll={wheel === 'graph'}
              preventScrolling={wheel === 'graph'}
              zoomActivationKeyCode="Control"
              zoomOnDoubleClick={false}
              minZoom={0.1}
              maxZoom={2}
              fitView
              fitViewOptions={fitting}
              onlyRenderVisibleElements={nodes.length > 150}
              proOptions={{ hideAttribution: true }}
              onMove={(event) => (touched.current ||= !!event)}
              onPaneClick={() => props.onSelect?.(undefined)}
              {...props.flow}
            >
              <Background variant={BackgroundVariant.Dots} gap={18} size={1} />
              {props.miniMap && <MiniMap pannable ariaLabel={null} />}
            </ReactFlow>
          </GraphActsContext>
          {props.steps.length === 0 && <p className={classes['none']}>{t('noSteps')}</p>}
        </div>
      )}
    </div>
  )
}

function hasStates(paint: Paints | undefined): boolean {
  return !!paint && Object.values(paint).some((one) => one.state !== undefined)
}

/** useRoom measures where the graph is drawn. */
function useRoom(box: RefObject<HTMLElement | null>): Size | undefined {
  const [room, setRoom] = useState<Size>()
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setRoom({ width: element.clientWidth, height: element.clientHeight })
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [box])
  return room
}

/** useLayout places the steps, in the direction that was asked for or else in the one that fits better. */
function useLayout(
  { steps, open }: SagaGraphProps,
  painted: boolean,
  asked: Direction | undefined,
  room?: Size,
) {
  const layouts = useMemo(() => {
    const make = (direction: Direction) =>
      layoutOf(steps, { direction, sizeOf: (step) => sizeOf(step, painted), ...(open ? { open } : {}) })
    const made: Partial<Record<Direction, Layout>> = {}
    return (direction: Direction) => (made[direction] ??= make(direction))
  }, [steps, open, painted])
  const fits = () => (room ? bestDirection(layouts('down'), layouts('right'), room) : 'down')
  const direction = asked ?? fits()
  return { direction, layout: layouts(direction) }
}

const readable = 0.6

/** useFit shows all when the layout has changed, unless the person has moved or zoomed. What would be too small to be
 * read so is shown from its begin. */
function useFit(layout: Layout, direction: Direction, room: Size | undefined, asList: boolean) {
  const flow = useReactFlow()
  const touched = useRef(false)
  const { width, height, nodes } = layout
  useEffect(() => {
    if (asList || touched.current || !room) return
    const frame = requestAnimationFrame(() => {
      if (zoomOf({ width, height }, room) >= readable) return void flow.fitView(fitting)
      const zoom = 0.8
      const down = direction === 'down'
      const x = down ? Math.max(room.width - width * zoom, 48) / 2 : 24
      const y = down ? 24 : Math.max(room.height - height * zoom, 48) / 2
      void flow.setViewport({ x, y, zoom })
    })
    return () => cancelAnimationFrame(frame)
  }, [width, height, nodes.length, direction, room, asList, flow])
  return touched
}

function useNodes(
  props: SagaGraphProps,
  layout: Layout,
  direction: Direction,
  painted: boolean,
): StepFlowNode[] {
  const language = useLanguage()
  const { paint, selected } = props
  return useMemo(() => {
    const chosen = layout.nodes.find((node) => node.path === selected && node.kind !== 'mark')
    const tab = chosen?.path ?? layout.nodes.find((node) => node.kind !== 'mark')?.path
    return layout.nodes.map((node): StepFlowNode => {
      const data = {
        path: node.path,
        kind: node.kind,
        painted,
        direction,
        paint: paint?.[node.path],
        chosen: node.path === selected,
        tab: node.path === tab,
        label: node.step ? describe(node.step, paint?.[node.path]) : '',
        ...(node.step ? { step: node.step } : {}),
      }
      const { width, height } = node
      const zIndex = node.kind === 'group' ? node.depth : node.depth + 1
      const type = node.kind === 'group' ? 'sub' : node.kind
      return { id: node.path, type, position: { x: node.x, y: node.y }, width, height, data, zIndex }
    })
    // The language is in the labels.
  }, [layout, paint, selected, direction, painted, language])
}

function useEdges({ paint, wayExtra }: SagaGraphProps, layout: Layout, direction: Direction): WayFlowEdge[] {
  return useMemo(() => {
    const reached = (path: string) => {
      const state = paint?.[path]?.state
      return state !== undefined && state !== 'idle' && state !== 'skipped'
    }
    return layout.edges.map((way): WayFlowEdge => {
      const taken = isTaken(way, paint, reached)
      return {
        id: way.id,
        source: way.from,
        target: way.to,
        type: 'way',
        zIndex: 1,
        ariaLabel: `${way.from.trim()} → ${way.to.trim()}`,
        markerEnd: taken ? markers.taken : markers.plain,
        data: { way, path: pathOf(way.points, direction), taken, extra: wayExtra },
      }
    })
  }, [layout, paint, direction, wayExtra])
}

/** isTaken says whether a run went along an edge: from a step that was reached to one that was. */
function isTaken(way: PlacedEdge, paint: Paints | undefined, reached: (path: string) => boolean): boolean {
  if (!paint) return false
  if (way.kind === 'mark') return way.from.startsWith(' ') ? reached(way.to) : paint[way.from]?.state === 'done'
  if (way.kind === 'undo' || !reached(way.from) || !reached(way.to)) return false
  const from = paint[way.from]
  if (way.kind === 'refused') return from?.state === 'refused'
  if (way.kind === 'case') return from?.took === undefined || from.took === way.label
  return true
}

/** useActs has what nodes can have done, always the same object. */
function useActs(props: SagaGraphProps): GraphActs {
  const latest = useRef(props)
  latest.current = props
  const choose = useCallback((path: string) => latest.current.onSelect?.(path), [])
  const open = useCallback((path: string) => latest.current.onOpen?.(path), [])
  const fold = useCallback((path: string) => latest.current.onFold?.(path), [])
  const foldable = !!props.onFold
  const connectable = props.flow?.nodesConnectable === true
  const extra = props.stepExtra
  return useMemo(
    () => ({ choose, open, fold, foldable, connectable, extra }),
    [choose, open, fold, foldable, connectable, extra],
  )
}

interface Keyed {
  layout: Layout
  box: HTMLElement | null
  flow: ReturnType<typeof useReactFlow>
  onOpen: ((path: string) => void) | undefined
}

/** moveByKey goes through the steps by arrow keys and zooms by plus, minus, and 0. */
function moveByKey(event: KeyboardEvent, { layout, box, flow, onOpen }: Keyed): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const at = (event.target as HTMLElement).dataset['path']
  if (at === undefined) return
  if (arrows.has(event.key)) {
    const next = neighbour(layout.nodes, at, event.key as Arrow)
    if (next !== undefined) focusStep(layout, box, flow, next)
  } else if (event.key === '+') void flow.zoomIn()
  else if (event.key === '-') void flow.zoomOut()
  else if (event.key === '0') void flow.fitView(fitting)
  else if (event.key === 'Enter' && event.shiftKey) onOpen?.(at)
  else return
  event.preventDefault()
  event.stopPropagation()
}

/** focusStep focuses a step, and brings it into sight if it is out of it. */
function focusStep(layout: Layout, box: HTMLElement | null, flow: Keyed['flow'], path: string): void {
  const node = layout.nodes.find((each) => each.path === path)
  if (!node || !box) return
  const middle = { x: node.x + node.width / 2, y: node.y + Math.min(node.height, 80) / 2 }
  const on = flow.flowToScreenPosition(middle)
  const frame = box.getBoundingClientRect()
  const inside =
    on.x > frame.left + 40 && on.x < frame.right - 40 && on.y > frame.top + 40 && on.y < frame.bottom - 30
  if (!inside) void flow.setCenter(middle.x, middle.y, { zoom: flow.getZoom() })
  const focus = () => {
    const button = box.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`)
    button?.focus({ preventScroll: true })
    return !!button
  }
  if (!focus()) requestAnimationFrame(() => requestAnimationFrame(focus))
}
