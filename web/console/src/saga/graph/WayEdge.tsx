import { BaseEdge, EdgeLabelRenderer, type Edge, type EdgeProps } from '@xyflow/react'
import { memo, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import classes from './SagaGraph.module.css'
import type { PlacedEdge } from './layout.ts'
import { words } from './words.ts'

/** WayData is what an edge of the graph knows. */
export interface WayData extends Record<string, unknown> {
  readonly way: PlacedEdge
  readonly path: string
  /** Whether a run or path went along it. */
  readonly taken: boolean
  readonly extra: ((way: PlacedEdge) => ReactNode) | undefined
}

export type WayFlowEdge = Edge<WayData, 'way'>

/** WayEdge draws how one step leads to another. */
export const WayEdge = memo(function WayEdge({ id, data, markerEnd, selected }: EdgeProps<WayFlowEdge>) {
  const t = useWords(words)
  const { way, path, taken, extra } = data!
  const text = way.kind === 'refused' ? t('ifRefused') : way.kind === 'undo' ? t('undoShort') : way.label
  const at = way.labelAt ?? way.points[Math.floor(way.points.length / 2)]!
  return (
    <>
      <g data-way={way.kind} data-taken={taken || undefined} data-chosen={selected || undefined}>
        <BaseEdge id={id} path={path} className={classes['way']!} {...(markerEnd ? { markerEnd } : {})} />
      </g>
      {(text || extra) && (
        <EdgeLabelRenderer>
          <div
            className={classes['wayLabel']}
            style={{ transform: `translate(-50%, -50%) translate(${at.x}px, ${at.y}px)` }}
          >
            {text && (
              <span
                className={classes['wayText']}
                data-way={way.kind}
                data-taken={taken || undefined}
                title={text}
              >
                {text}
              </span>
            )}
            {extra?.(way)}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  )
})
