import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { useMemo } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { absolute } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { Mark, StatusBadge, type Tone } from '@/shared/StatusBadge.tsx'
import { since } from '@/shared/timeline/since.ts'
import { momentsOf, replay, type BranchState } from './replay.ts'
import classes from './transaction.module.css'
import { words } from './words.ts'

const tones: Record<BranchState, Tone> = {
  absent: 'idle',
  registered: 'idle',
  reported: 'idle',
  running: 'work',
  trying: 'bad',
  stepDone: 'good',
  stepRefused: 'bad',
  asked: 'work',
  finished: 'good',
  refused: 'bad',
  skipped: 'warn',
}
const branchesShown = 60

/** ReplayPanel shows a transaction as it was at any moment of its history. */
export function ReplayPanel({
  detail,
  history,
  origin,
  at,
  onAt,
}: {
  detail: Schemas['TransactionDetail']
  history: readonly Schemas['HistoryEntry'][]
  origin: number
  at: number | undefined
  onAt: (at: number | undefined) => void
}) {
  const t = useWords(words)
  const moments = useMemo(() => momentsOf(history), [history])
  const then = useMemo(
    () => (at === undefined ? undefined : replay(detail, history, at)),
    [detail, history, at],
  )
  if (moments.length === 0) return null
  // The moment that is shown: the last one that is not after the time.
  const found = at === undefined ? moments.length - 1 : moments.findLastIndex((one) => one <= at)
  const n = Math.max(found, 0)
  const entry = then && then.index >= 0 ? history[then.index] : undefined
  const move = (to: number) => onAt(moments[Math.min(Math.max(to, 0), moments.length - 1)])
  const step = (label: string, path: string, to: number) => (
    <Tooltip label={label}>
      <ActionIcon variant="default" aria-label={label} onClick={() => move(to)}>
        <Icon path={path} size={14} />
      </ActionIcon>
    </Tooltip>
  )
  return (
    <section className={classes['replay']} aria-label={t('replay')}>
      <div className={classes['replayHead']}>
        <h3 className={classes['factName']}>{t('replay')}</h3>
        {step(t('previous'), 'M10 3L5 8l5 5', n - 1)}
        <input
          type="range"
          className={classes['slider']}
          min={0}
          max={moments.length - 1}
          value={n}
          aria-label={t('replay')}
          aria-valuetext={t('replayStep', { n: n + 1, all: moments.length })}
          onChange={(event) => move(Number(event.currentTarget.value))}
        />
        {step(t('next'), 'M6 3l5 5-5 5', n + 1)}
        <Button size="compact-sm" variant="default" disabled={at === undefined} onClick={() => onAt(undefined)}>
          {t('replayNow')}
        </Button>
      </div>
      {!then ? (
        <div className="dim">{t('replayOff')}</div>
      ) : (
        <div role="status" data-replay>
          <div className={classes['replayHead']}>
            <StatusBadge status={then.status} stuck={then.stuck} heuristic={then.heuristic} />
            <span className="num">{since(then.at - origin)}</span>
            <span className="dim num">{absolute(then.at)}</span>
            {entry && (
              <span className="mono">
                {[entry.event, entry.branch, entry.text].filter(Boolean).join(' · ')}
              </span>
            )}
            {!entry && <span className="dim">{t('nothingThen')}</span>}
          </div>
          <ul className={classes['then']} aria-label={t('branchesThen')} style={{ marginTop: 10 }}>
            {then.branches.slice(0, branchesShown).map((branch) => (
              <li key={branch.id} className={classes['thenOne']} data-state={branch.state}>
                <span className={`${classes['thenName']} clip`} title={branch.name}>
                  {branch.name}
                </span>
                <span>
                  <Mark tone={tones[branch.state]} text={t(`then_${branch.state}`)} />
                  {branch.failures > 0 && <span className="dim num"> ×{branch.failures}</span>}
                  {branch.locks && <span className="dim"> · {t('locksThen')}</span>}
                </span>
                {branch.said && (
                  <span className="mono clip dim" title={branch.said}>
                    {branch.said}
                  </span>
                )}
              </li>
            ))}
            {then.branches.length > branchesShown && (
              <li className="dim">+{then.branches.length - branchesShown}</li>
            )}
          </ul>
        </div>
      )}
    </section>
  )
}
