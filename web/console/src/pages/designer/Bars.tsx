import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { paintTone } from '@/saga/graph/paint.ts'
import classes from './Panes.module.css'
import { barsOf } from './replay.ts'
import { words } from './words.ts'

const rowHeight = 22
const nameWidth = 150
const width = 720

/** Bars are the steps of a simulation over time: forward, and back. The list of moments says the same in words. */
export function Bars({ result, atMs }: { result: Schemas['SimulatedRun']; atMs: number }) {
  const t = useWords(words)
  const bars = barsOf(result)
  const last = Math.max(1, result.tookMs ?? 1)
  const x = (ms: number) => nameWidth + (Math.min(ms, last) / last) * (width - nameWidth - 12)
  const height = bars.length * rowHeight + 20
  return (
    <div className={classes['bars']}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={t('barsLabel', { n: bars.length, time: span(last) })}
      >
        {[0, 0.25, 0.5, 0.75, 1].map((part) => (
          <g key={part}>
            <line
              x1={x(part * last)}
              x2={x(part * last)}
              y1={0}
              y2={height - 16}
              className={classes['gridLine']}
            />
            <text
              x={x(part * last)}
              y={height - 4}
              className={classes['tick']}
              textAnchor={part === 1 ? 'end' : part === 0 ? 'start' : 'middle'}
            >
              {span(part * last)}
            </text>
          </g>
        ))}
        {bars.map((bar, row) => (
          <g key={row} transform={`translate(0 ${row * rowHeight})`}>
            <text x={nameWidth - 10} y={15} textAnchor="end" className={classes['barName']}>
              {bar.name.length > 20 ? `${bar.name.slice(0, 19)}…` : bar.name}
            </text>
            {bar.parts.map((part, i) => (
              <g
                key={i}
                data-tone={paintTone(part.state)}
                data-ahead={part.fromMs > atMs || undefined}
                className={classes['bar']}
              >
                <rect
                  x={x(part.fromMs)}
                  y={part.undo ? 7 : 4}
                  height={part.undo ? 9 : 14}
                  rx={3}
                  width={Math.max(4, x(part.toMs) - x(part.fromMs))}
                />
              </g>
            ))}
          </g>
        ))}
        <line x1={x(atMs)} x2={x(atMs)} y1={0} y2={height - 16} className={classes['now']} />
      </svg>
    </div>
  )
}
