import { Text } from '@mantine/core'
import { useMemo } from 'react'
import { Link } from 'react-router'
import { Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { hasEnded, useDetail, useWhy } from '@/pages/transaction/data.ts'
import { branchName } from '@/shared/actions/follow.ts'
import type { Action } from '@/shared/actions/model.ts'
import { reasonAgainst } from '@/shared/actions/possible.ts'
import { sagaAction, transactionAction, type Operation } from '@/shared/actions/transactions.ts'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark, StatusBadge, type Tone } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import classes from './inbox.module.css'
import { words, type Word } from './words.ts'

type Detail = Schemas['TransactionDetail']
type Branch = Schemas['Branch']

const branchesShown = 12
const causesShown = 5

/** Stuck is the guided way out of a transaction that needs a person: what has happened, and what can be done. */
export function Stuck({ xid, act }: { xid: string; act: (action: Action) => void }) {
  const t = useWords(words)
  const { query } = useDetail(xid)
  const why = useWhy(xid)
  const detail = query.data
  if (query.isPending) return <Loading rows={6} />
  if (!detail) {
    const gone = query.error instanceof Refused && query.error.status === 404
    return gone ? (
      <Empty title={t('gone')} text={t('goneHelp')} />
    ) : (
      <ErrorBox error={query.error} retry={() => void query.refetch()} />
    )
  }
  const causes = why.data?.causes ?? []
  return (
    <>
      <section aria-label={t('evidence')} className={classes['part']}>
        <h3>{t('evidence')}</h3>
        <StatusBadge status={detail.status} stuck={detail.stuck} heuristic={detail.heuristic} />
        <p className={classes['why']}>{why.data?.sentence || detail.explanation}</p>
        {causes.length > 1 && (
          <ul className={classes['causes']}>
            {causes.slice(1, 1 + causesShown).map((cause, i) => (
              <li key={i}>{cause.sentence}</li>
            ))}
          </ul>
        )}
        <Branches detail={detail} />
        <Text size="sm" mt={8}>
          <Link to={detail.saga ? `/runs/${numberOf(xid)}` : `/transactions/${numberOf(xid)}`}>
            {t(detail.saga ? 'openRun' : 'openTransaction')}
          </Link>
        </Text>
      </section>
      {!hasEnded(detail) && <Can detail={detail} why={why.data} act={act} />}
      {hasEnded(detail) && <Empty title={t('gone')} text={t('goneHelp')} />}
    </>
  )
}

const tones: Record<string, Tone> = {
  Finished: 'good',
  Refused: 'bad',
  PhaseOneFailed: 'bad',
  Skipped: 'warn',
  ReadOnly: 'idle',
}

/** troubled branches come first. */
function sorted(branches: readonly Branch[]): Branch[] {
  const weight = (b: Branch) => (b.failure ? 0 : b.state === 'Finished' ? 2 : 1)
  return [...branches].sort((a, b) => weight(a) - weight(b))
}

function Branches({ detail }: { detail: Detail }) {
  const t = useWords(words)
  const all = useMemo(() => sorted(detail.branches ?? []), [detail.branches])
  if (all.length === 0) return null
  return (
    <ul className={classes['branches']} aria-label={t('branches')}>
      {all.slice(0, branchesShown).map((branch) => (
        <li key={branch.id}>
          <div className={classes['branch']}>
            <span className={`mono ${classes['grow']} clip`} title={branchName(branch)}>
              {branchName(branch)}
            </span>
            <span className="dim num">
              {t('attempts')} {count(branch.attempts ?? 0)}
            </span>
            <Mark
              tone={tones[branch.state ?? ''] ?? 'work'}
              text={branch.state && branch.state in words.en ? t(branch.state as Word) : (branch.state ?? '')}
            />
          </div>
          {branch.failure && <pre className={classes['said']}>{branch.failure}</pre>}
          {branch.nextAttemptAt && branch.state !== 'Finished' && (
            <Text size="xs" c="dimmed">
              {t('again')} <When at={branch.nextAttemptAt} />
            </Text>
          )}
        </li>
      ))}
      {all.length > branchesShown && (
        <li className="dim">{t('moreBranches', { n: count(all.length - branchesShown) })}</li>
      )}
    </ul>
  )
}

/** wishes are what could be done, the gentlest first. */
function wishes(detail: Detail): Operation[] {
  const open = sorted(detail.branches ?? []).filter(
    (b) => b.state !== 'Finished' && b.state !== 'Skipped' && b.state !== 'ReadOnly',
  )
  const skips = open
    .filter((b) => b.failure)
    .slice(0, 3)
    .map<Operation>((b) => ({ action: 'skip', branch: b.id }))
  const rest: Operation[] = detail.saga ? [{ action: 'finish' }] : [{ action: 'release' }]
  return [{ action: 'retry' }, ...skips, ...rest]
}

function actionOf(detail: Detail, op: Operation): Action {
  const xid = detail.xid ?? ''
  if (!detail.saga) return transactionAction(xid, op)
  const step = detail.branches?.find((one) => one.id === op.branch)?.step
  if (op.action === 'retry') return sagaAction(xid, { action: 'resume' })
  if (op.action === 'skip') return sagaAction(xid, { action: 'skip', branch: op.branch, step })
  return sagaAction(xid, { action: 'finish' })
}

interface CanProps {
  detail: Detail
  why: Schemas['Why'] | undefined
  act: (action: Action) => void
}

function Can({ detail, why, act }: CanProps) {
  const t = useWords(words)
  return (
    <section aria-label={t('can')} className={classes['part']}>
      <h3>{t('can')}</h3>
      {detail.advice && <p className={classes['advice']}>{detail.advice}</p>}
      <ul className={classes['can']}>
        {wishes(detail).map((op, i) => {
          const action = actionOf(detail, op)
          const reason = reasonAgainst(op, detail, why)
          const branch = detail.branches?.find((one) => one.id === op.branch)
          return (
            <li key={`${op.action} ${op.branch ?? ''}`} data-off={!!reason || undefined}>
              <div className={classes['grow']}>
                <strong>{action.title}</strong>
                {branch && <div className={`mono dim ${classes['wrap']}`}>{branchName(branch)}</div>}
                <Text size="sm" c="dimmed">
                  {reason || action.text}
                </Text>
              </div>
              <MayButton
                role={action.role}
                reason={reason}
                size="xs"
                variant={i === 0 ? 'filled' : 'default'}
                aria-label={action.title}
                onClick={() => act(actionOf(detail, op))}
              >
                {`${action.verb} …`}
              </MayButton>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
