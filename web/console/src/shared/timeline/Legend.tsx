import { useWords } from '@/i18n'
import classes from '../Timeline.module.css'
import { pointShapes } from './Drawn.tsx'
import { words } from './words.ts'

/** Legend names the shapes of a timeline. */
export function Legend() {
  const t = useWords(words)
  const points = [
    ['durable', 'legendDurable'],
    ['person', 'legendPerson'],
    ['trouble', 'legendTrouble'],
    ['planned', 'legendPlanned'],
  ] as const
  return (
    <div className={classes['legend']} aria-hidden="true">
      {(['done', 'failed', 'running'] as const).map((outcome) => (
        <span key={outcome}>
          <svg width={22} height={12}>
            <rect
              className={classes['attempt']}
              data-outcome={outcome}
              x={1}
              y={1}
              width={20}
              height={10}
              rx={2}
            />
            {outcome === 'failed' && <path className={classes['cross']} d="M13 4l4 4M17 4l-4 4" />}
          </svg>
          {t(({ done: 'legendDone', failed: 'legendFailed', running: 'legendRunning' } as const)[outcome])}
        </span>
      ))}
      {points.map(([kind, word]) => (
        <span key={kind}>
          <svg width={14} height={14}>
            <path
              className={classes['point']}
              data-kind={kind}
              d={pointShapes[kind]}
              transform="translate(7 7)"
            />
          </svg>
          {t(word)}
        </span>
      ))}
    </div>
  )
}
