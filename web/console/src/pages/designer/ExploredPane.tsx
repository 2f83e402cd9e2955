import { Group, Text } from '@mantine/core'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { lookedAt } from '@/saga/lookedAt.ts'
import { Mark } from '@/shared/StatusBadge.tsx'
import classes from './Panes.module.css'
import { Player } from './Player.tsx'
import type { Moment } from './replay.ts'
import { words } from './words.ts'

export interface ExploredProps {
  readonly explored: Schemas['SagaExplored'] | undefined
  readonly checking: boolean
  /** Whether the text cannot be read at the moment. */
  readonly broken: boolean
  /** The counter-example that is shown, and its moments. */
  readonly chosen: number | undefined
  readonly onChoose: (index: number | undefined) => void
  readonly moments: readonly Moment[]
  readonly at: number
  readonly onAt: (at: number) => void
}

/** ExploredPane says what came of trying everything that can happen, and plays the paths that end badly. */
export function ExploredPane(props: ExploredProps) {
  const t = useWords(words)
  const { explored, chosen, moments, at } = props
  if (!explored)
    return (
      <p className={classes['none']} role="status">
        {t(props.broken ? 'notReadable' : props.checking ? 'checking' : 'notExplored')}
      </p>
    )
  const failures = explored.failures ?? []
  return (
    <div className={classes['split']}>
      <div className={classes['column']}>
        <Group gap="xs">
          <Mark
            tone={failures.length > 0 ? 'bad' : 'good'}
            text={failures.length > 0 ? t('endsBadly', { n: failures.length }) : t('endsWell')}
          />
          <Mark
            tone={explored.exhaustive ? 'good' : 'idle'}
            text={t(explored.exhaustive ? 'exhaustive' : 'bounded')}
            help={t(explored.exhaustive ? 'exhaustiveHelp' : 'boundedHelp')}
          />
        </Group>
        {explored.part && <Text size="sm">{t('exploredPart', { part: lookedAt(explored.part) })}</Text>}
        <Text size="sm" c="dimmed">
          {t('exploredCounts', { states: count(explored.states ?? 0), paths: count(explored.paths ?? 0) })}
        </Text>
        <ul className={classes['picks']} aria-label={t('counterExamples')}>
          {failures.map((failure, i) => (
            <li key={i}>
              <button
                type="button"
                className={classes['pick']}
                aria-pressed={chosen === i}
                onClick={() => props.onChoose(chosen === i ? undefined : i)}
              >
                <span className="mono">{failure.step || t('theSaga')}</span>
                <span>{failure.text}</span>
                <span className="dim">{t('afterEvents', { n: failure.timeline?.length ?? 0 })}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
      {chosen !== undefined && failures[chosen] && (
        <div className={classes['column']}>
          <Player count={moments.length} at={at} onAt={props.onAt} label={t('counterExample')} />
          <MomentList moments={moments} at={at} onAt={props.onAt} end={failures[chosen].text ?? ''} />
        </div>
      )}
    </div>
  )
}

/** MomentList is the path as a list; a line leads to its moment. */
export function MomentList(props: {
  moments: readonly Moment[]
  at: number
  onAt: (at: number) => void
  end?: string
  time?: (moment: Moment) => string
  say?: (moment: Moment) => string
}) {
  const t = useWords(words)
  return (
    <ol className={classes['moments']} aria-label={t('timeline')}>
      {props.moments.map((moment, i) => (
        <li key={i} data-past={i < props.at || undefined} data-now={i === props.at - 1 || undefined}>
          <button
            type="button"
            aria-current={i === props.at - 1 ? 'step' : undefined}
            onClick={() => props.onAt(i + 1)}
          >
            {props.time && <span className="num dim">{props.time(moment)}</span>}
            {moment.step && <span className="mono">{moment.step}</span>}
            <span>{props.say ? props.say(moment) : moment.text}</span>
          </button>
        </li>
      ))}
      {props.end && (
        <li data-end data-past={props.at >= props.moments.length || undefined}>
          <Mark tone="bad" text={props.end} />
        </li>
      )}
    </ol>
  )
}
