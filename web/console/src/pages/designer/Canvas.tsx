import { NodeToolbar, Position, type ReactFlowInstance } from '@xyflow/react'
import { useCallback, useEffect, useMemo, useRef, useState, type DragEvent, type KeyboardEvent } from 'react'
import { useWords } from '@/i18n'
import { SagaGraph, stepsOf, type GraphStep, type Paints, type PlacedEdge } from '@/saga/graph'
import { Icon } from '@/shared/Icon.tsx'
import type { Acts } from './acts.ts'
import classes from './Designer.module.css'
import { dragType } from './Palette.tsx'
import type { Scenario, Wish } from './scenario.ts'
import { casesOf, indexOf, kinds, predecessors, type Kind } from './steps.ts'
import { loadVersion } from './server.ts'
import { asMap, readSource, stepList, type Source } from './source.ts'
import { WishSelect } from './WishSelect.tsx'
import { words } from './words.ts'

export interface CanvasProps {
  readonly source: Source
  readonly steps: readonly GraphStep[]
  readonly paint: Paints
  readonly painted: boolean
  readonly selected: string | undefined
  readonly onSelect: (id: string | undefined) => void
  readonly onOpen: (id: string) => void
  readonly acts: Acts
  readonly readOnly: boolean
  /** Chooses failures on the steps, while a simulation is set up. */
  readonly wishes?:
    | { readonly scenario: Scenario; readonly onWish: (step: string, wish: Wish | undefined) => void }
    | undefined
}

/** Canvas is the graph of the document, to be edited by mouse and by keys. */
export function Canvas(props: CanvasProps) {
  const t = useWords(words)
  const { source, acts, readOnly, selected, wishes } = props
  const box = useRef<HTMLDivElement>(null)
  const [over, setOver] = useState<string>()
  const unfolded = useUnfolded(source)
  const drop = (event: DragEvent) => {
    const kind = event.dataTransfer.getData(dragType) as Kind
    setOver(undefined)
    if (readOnly || !kinds.includes(kind)) return
    event.preventDefault()
    acts.insert(kind, { after: stepUnder(event) ?? selected })
  }
  const drag = (event: DragEvent) => {
    if (readOnly || !event.dataTransfer.types.includes(dragType)) return
    event.preventDefault()
    event.dataTransfer.dropEffect = 'copy'
    setOver(stepUnder(event))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const at = (event.target as HTMLElement).dataset['path']
    if (at === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    if ((event.key === 'Delete' || event.key === 'Backspace') && !readOnly) acts.remove(at)
    else if (event.key === 'F2') props.onOpen(at)
    else return
    event.preventDefault()
  }
  const stepExtra = useCallback(
    (path: string, step: GraphStep) => {
      if (path.includes('/')) return null
      return (
        <>
          {over === path && <span className={classes['dropHere']}>{t('dropHere')}</span>}
          {wishes && step.kind !== 'choice' && (
            <span
              className={`nodrag nopan ${classes['nodeWish']}`}
              data-chosen={wishes.scenario.wishes[path] ? true : undefined}
            >
              <WishSelect
                label={t('wishOf', { step: path })}
                wish={wishes.scenario.wishes[path]}
                onWish={(wish) => wishes.onWish(path, wish)}
              />
            </span>
          )}
          {!readOnly && !wishes && selected === path && (
            <NodeToolbar isVisible position={Position.Bottom} offset={8}>
              <StepTools id={path} cases={casesAt(source, path)} acts={acts} onOpen={props.onOpen} />
            </NodeToolbar>
          )}
        </>
      )
    },
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [over, wishes, readOnly, selected, source, acts, t],
  )
  const wayExtra = useCallback(
    (way: PlacedEdge) => {
      if (readOnly || wishes || way.kind === 'mark' || way.to.includes('/')) return null
      const edge = way.kind === 'case' ? `${way.from}.${way.label ?? ''}` : way.from
      const what = t('removeEdge', { from: edge, to: way.to })
      return (
        <button
          type="button"
          className={`nodrag nopan ${classes['cutEdge']}`}
          aria-label={what}
          title={what}
          tabIndex={-1}
          onClick={() => acts.disconnect(edge, way.to, way.kind === 'refused')}
        >
          <Icon path="M4.5 4.5l7 7M11.5 4.5l-7 7" size={10} />
        </button>
      )
    },
    [readOnly, wishes, acts, t],
  )
  const graph = useRef<Graph>(undefined)
  useEffect(() => {
    if (selected === undefined) return
    // A new step is drawn first; its place is known then.
    const timer = setTimeout(() => bringIntoSight(graph.current, box.current, selected), 120)
    return () => clearTimeout(timer)
  }, [selected])
  const current = Object.keys(props.paint).find((path) => props.paint[path]?.current)
  useEffect(() => {
    if (current !== undefined) bringIntoSight(graph.current, box.current, current)
  }, [current])
  const flow = useMemo(
    () => ({
      onInit: (instance: unknown) => {
        graph.current = instance as Graph
      },
      nodesConnectable: !readOnly && !wishes,
      onConnect: (way: { source: string | null; target: string | null }) => {
        if (way.source && way.target) acts.connect(edgeFrom(source, way.source), way.target)
      },
    }),
    [readOnly, wishes, acts, source],
  )
  return (
    <div
      ref={box}
      className={classes['canvas']}
      onDragOver={drag}
      onDragLeave={() => setOver(undefined)}
      onDrop={drop}
      onKeyDown={onKeyDown}
    >
      <SagaGraph
        steps={props.steps}
        paint={props.paint}
        painted={props.painted}
        selected={selected}
        onSelect={props.onSelect}
        onOpen={props.onOpen}
        label={t('canvas')}
        height="100%"
        wheel="graph"
        stepExtra={stepExtra}
        wayExtra={wayExtra}
        flow={flow}
        open={unfolded.open}
        onFold={unfolded.fold}
      />
    </div>
  )
}

/** useUnfolded has the steps of sub-sagas that are unfolded, as they are published. */
function useUnfolded(source: Source) {
  const [open, setOpen] = useState<Readonly<Record<string, readonly GraphStep[]>>>({})
  const fold = useCallback(
    async (path: string) => {
      if (open[path]) {
        setOpen((was) =>
          Object.fromEntries(Object.entries(was).filter(([each]) => !`${each}/`.startsWith(`${path}/`))),
        )
        return
      }
      // A sub-saga within another one is found by what the graph says of its step.
      const inner = open[path.slice(0, path.lastIndexOf('/'))]?.find((step) => path.endsWith(`/${step.id}`))
      const own = asMap(stepList(source.value)[indexOf(source.value, path)]?.['subSaga'])
      const saga = inner?.target ?? own?.['saga']
      if (typeof saga !== 'string') return
      const version = Number(own?.['version']) || undefined
      const published = await loadVersion(saga, version).catch(() => undefined)
      if (published?.text) setOpen((was) => ({ ...was, [path]: stepsOf(readSource(published.text!).value) }))
    },
    [open, source],
  )
  return { open, fold: (path: string) => void fold(path) }
}

type Graph = Pick<ReactFlowInstance, 'getNode' | 'getViewport' | 'setCenter'>

/** bringIntoSight moves the graph if a step is not to be seen. */
function bringIntoSight(graph: Graph | undefined, box: HTMLElement | null, id: string): void {
  const node = graph?.getNode(id)
  if (!graph || !node || !box) return
  const { x, y, zoom } = graph.getViewport()
  const [left, top] = [node.position.x * zoom + x, node.position.y * zoom + y]
  const [right, bottom] = [left + (node.width ?? 180) * zoom, top + (node.height ?? 60) * zoom + 36]
  if (left >= 0 && top >= 0 && right <= box.clientWidth && bottom <= box.clientHeight) return
  void graph.setCenter(node.position.x + (node.width ?? 180) / 2, node.position.y + (node.height ?? 60) / 2, {
    zoom,
  })
}

/** stepUnder is the step over which something is dragged. */
function stepUnder(event: DragEvent): string | undefined {
  const node = (event.target as HTMLElement).closest('.react-flow__node')
  return node?.querySelector<HTMLElement>('[data-path]')?.dataset['path']?.split('/')[0]
}

function casesAt(source: Source, id: string): string[] {
  return casesOf(stepList(source.value)[indexOf(source.value, id)] ?? {})
}

/** edgeFrom is the edge that is drawn from a step: of a choice, that of the first case that leads nowhere yet. */
function edgeFrom(source: Source, id: string): string {
  const used = new Set(
    stepList(source.value).flatMap((step) =>
      typeof step['id'] === 'string' ? predecessors(source.value, step['id']) : [],
    ),
  )
  const free = casesAt(source, id).find((name) => !used.has(`${id}.${name}`))
  return free ? `${id}.${free}` : id
}

/** StepTools are what can be done with the selected step. */
function StepTools({
  id,
  cases,
  acts,
  onOpen,
}: {
  id: string
  cases: readonly string[]
  acts: Acts
  onOpen: (id: string) => void
}) {
  const t = useWords(words)
  return (
    <span
      className={`nodrag nopan ${classes['stepTools']}`}
      role="toolbar"
      aria-label={t('toolsOf', { step: id })}
    >
      {cases.length > 0 ? (
        cases.map((name) => (
          <Tool
            key={name}
            text={t('insertInCase', { name })}
            icon="M8 3v10M3 8h10"
            label={name}
            act={() => acts.insert('call', { after: id, case: name })}
          />
        ))
      ) : (
        <Tool
          text={t('insertCall', { step: id })}
          icon="M8 3v10M3 8h10"
          act={() => acts.insert('call', { after: id })}
        />
      )}
      <Tool text={t('editStep', { step: id })} icon="M3 13l1-3.5L11 2.5 13.5 5l-7 7z" act={() => onOpen(id)} />
      <Tool
        text={t('deleteStep', { step: id })}
        icon="M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.7 9h5.6l.7-9"
        act={() => acts.remove(id)}
      />
    </span>
  )
}

function Tool({ text, icon, act, label }: { text: string; icon: string; act: () => void; label?: string }) {
  return (
    <button type="button" aria-label={text} title={text} onClick={act}>
      <Icon path={icon} size={13} />
      {label && <span>{label}</span>}
    </button>
  )
}
