import { Graph, layout as place } from '@dagrejs/dagre'
import { ActionIcon } from '@mantine/core'
import { useMemo, useRef, useState } from 'react'
import { useNavigate } from 'react-router'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import { drawn, type Box, type LockGraph } from './graph.ts'
import classes from './locks.module.css'
import { words } from './words.ts'

interface Placed {
  readonly box: Box
  readonly x: number
  readonly y: number
}

interface Layout {
  readonly width: number
  readonly height: number
  readonly boxes: readonly Placed[]
  readonly lines: readonly { id: string; path: string; inCycle: boolean }[]
}

/** layout places who waits at the left and who holds at the right. */
function layout(graph: LockGraph): Layout {
  const { boxes, arrows } = drawn(graph)
  const g = new Graph()
  g.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 48, marginx: 16, marginy: 16 })
  g.setDefaultEdgeLabel(() => ({}))
  for (const box of boxes) g.setNode(box.id, { width: box.width, height: box.height })
  for (const arrow of arrows) g.setEdge(arrow.from, arrow.to)
  place(g)
  const placed = boxes.map((box) => {
    const { x, y } = g.node(box.id)
    return { box, x: x - box.width / 2, y: y - box.height / 2 }
  })
  const lines = arrows.map((arrow) => {
    const points = (g.edge(arrow.from, arrow.to) as { points: { x: number; y: number }[] }).points
    return {
      id: `${arrow.from}>${arrow.to}`,
      path: points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${Math.round(x)} ${Math.round(y)}`).join(''),
      inCycle: arrow.inCycle,
    }
  })
  const size = g.graph() as { width?: number; height?: number }
  return { width: size.width ?? 0, height: size.height ?? 0, boxes: placed, lines }
}

const zooms = [0.35, 0.5, 0.7, 0.85, 1, 1.25, 1.6, 2]
const usual = 4

/** fitting is the step of the largest zoom that shows all, at most the usual one. */
function fitting(ratio: number): number {
  const found = zooms.findLastIndex((zoom) => zoom <= ratio)
  return Math.max(0, Math.min(usual, found))
}

/** Drawing shows who waits for whom: transactions, and between them the rows. Cycles are red, dashed and named. */
export default function Drawing({ graph, label }: { graph: LockGraph; label: string }) {
  const t = useWords(words)
  const [step, setStep] = useState(usual)
  const canvas = useRef<HTMLDivElement>(null)
  const edges = graph.edges ?? []
  const shape = edges.map((e) => `${e.waiter} ${e.row?.pk} ${e.row?.table} ${e.holder} ${e.inCycle}`).join('|')
  const nodes = (graph.nodes ?? []).map((n) => `${n.xid} ${n.status}`).join('|')
  // It is laid out anew only if it has changed: each answer is another object.
  // oxlint-disable-next-line react-hooks/exhaustive-deps
  const plan = useMemo(() => layout(graph), [shape, nodes])
  const zoom = zooms[step]!
  const fit = () => setStep(fitting((canvas.current?.clientWidth ?? 0) / Math.max(1, plan.width)))
  const go = (by: number) => setStep((was) => Math.max(0, Math.min(zooms.length - 1, was + by)))
  return (
    <div className={classes['drawing']}>
      <div className={classes['tools']}>
        <ActionIcon variant="default" aria-label={t('zoomOut')} disabled={step === 0} onClick={() => go(-1)}>
          <Icon path="M3 8h10" />
        </ActionIcon>
        <ActionIcon variant="default" aria-label={t('fit')} onClick={fit}>
          <Icon path="M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3" />
        </ActionIcon>
        <ActionIcon
          variant="default"
          aria-label={t('zoomIn')}
          disabled={step === zooms.length - 1}
          onClick={() => go(1)}
        >
          <Icon path="M3 8h10M8 3v10" />
        </ActionIcon>
      </div>
      <div ref={canvas} className={classes['canvas']} role="region" tabIndex={0} aria-label={label}>
        <svg
          width={plan.width * zoom}
          height={plan.height * zoom}
          viewBox={`0 0 ${plan.width} ${plan.height}`}
          role="group"
          aria-label={label}
        >
          <defs>
            {['arrow', 'arrow-cycle'].map((id) => (
              <marker
                key={id}
                id={id}
                viewBox="0 0 8 8"
                refX="7"
                refY="4"
                markerWidth="7"
                markerHeight="7"
                orient="auto"
              >
                <path d="M0 0L8 4L0 8z" className={classes[id === 'arrow' ? 'tip' : 'tipCycle']} />
              </marker>
            ))}
          </defs>
          {plan.lines.map((line) => (
            <path
              key={line.id}
              d={line.path}
              className={classes['line']}
              data-cycle={line.inCycle || undefined}
              markerEnd={`url(#${line.inCycle ? 'arrow-cycle' : 'arrow'})`}
            />
          ))}
          {plan.boxes.map((placed) => (
            <Shape key={placed.box.id} placed={placed} />
          ))}
        </svg>
      </div>
    </div>
  )
}

function Shape({ placed: { box, x, y } }: { placed: Placed }) {
  const t = useWords(words)
  const navigate = useNavigate()
  const middle = box.height / 2
  const inside = (
    <>
      <title>{[box.title, box.text, box.inCycle ? t('inCycle') : ''].filter(Boolean).join(' · ')}</title>
      <rect
        width={box.width}
        height={box.height}
        rx={box.kind === 'row' ? box.height / 2 : 6}
        className={classes[box.kind === 'row' ? 'rowBox' : 'box']}
        data-cycle={box.inCycle || undefined}
      />
      <text
        x={box.width / 2}
        y={box.kind === 'row' ? middle + 4 : 19}
        textAnchor="middle"
        className={classes['boxTitle']}
      >
        {box.title}
      </text>
      {box.kind === 'transaction' && (
        <text x={box.width / 2} y={35} textAnchor="middle" className={classes['boxText']}>
          {box.text || '–'}
        </text>
      )}
    </>
  )
  const at = `translate(${x} ${y})`
  if (!box.xid) return <g transform={at}>{inside}</g>
  const to = `/transactions/${numberOf(box.xid)}`
  return (
    <a
      href={to}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return
        event.preventDefault()
        void navigate(to)
      }}
    >
      <g transform={at}>{inside}</g>
    </a>
  )
}
