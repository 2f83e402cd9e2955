import { useMemo } from 'react'
import { modelOf, type GraphStep } from '@/saga/graph/model.ts'
import classes from './Panes.module.css'

/** TinyGraph hints at the shape of a saga. It is decoration. */
export function TinyGraph({ steps }: { steps: readonly GraphStep[] }) {
  const drawn = useMemo(() => place(steps), [steps])
  return (
    <svg viewBox="0 0 150 64" className={classes['tiny']} aria-hidden="true">
      {drawn.lines.map((line, i) => (
        <path key={i} d={line} />
      ))}
      {drawn.boxes.map((box) => (
        <rect
          key={box.id}
          x={box.x - 11}
          y={box.y - 7}
          width={22}
          height={14}
          rx={4}
          data-kind={box.kind}
          data-pivot={box.pivot || undefined}
        />
      ))}
      {drawn.boxes.length === 0 && <path d="M75 22v20M65 32h20" />}
    </svg>
  )
}

function place(steps: readonly GraphStep[]) {
  const model = modelOf(steps)
  const depth = new Map<string, number>()
  for (const step of steps) {
    const before = model.edges.filter((edge) => edge.to === step.id).map((edge) => depth.get(edge.from) ?? 0)
    depth.set(step.id, before.length > 0 ? Math.max(...before) + 1 : 0)
  }
  const ranks = Math.max(1, ...[...depth.values()].map((n) => n + 1))
  const boxes = steps.map((step) => {
    const rank = depth.get(step.id)!
    const beside = steps.filter((each) => depth.get(each.id) === rank)
    return {
      id: step.id,
      kind: step.kind,
      pivot: step.pivot,
      x: 75 + (rank - (ranks - 1) / 2) * Math.min(36, 130 / ranks),
      y: 32 + (beside.indexOf(step) - (beside.length - 1) / 2) * 26,
    }
  })
  const at = new Map(boxes.map((box) => [box.id, box]))
  const lines = model.edges.map((edge) => {
    const [from, to] = [at.get(edge.from)!, at.get(edge.to)!]
    const middle = (from.x + to.x) / 2
    return `M${from.x + 11} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x - 11} ${to.y}`
  })
  return { boxes, lines }
}
