import { ActionIcon, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { api, ask } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { hasEnded, useDetail, useWhy } from '@/pages/transaction/data.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import type { Action } from '@/shared/actions/model.ts'
import { reasonAgainst } from '@/shared/actions/possible.ts'
import { transactionAction, type Operation } from '@/shared/actions/transactions.ts'
import { Icon } from '@/shared/Icon.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { StatusBadge } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import { rowText } from './graph.ts'
import type { Lock } from './Held.tsx'
import classes from './locks.module.css'
import { words } from './words.ts'

/** Holder shows who holds a row and why it does not end, who waits, and what the rules allow. */
export function Holder({ lock, onClose }: { lock: Lock; onClose: () => void }) {
  const t = useWords(words)
  const head = useRef<HTMLHeadingElement>(null)
  const [action, setAction] = useState<Action>()
  useEffect(() => head.current?.focus({ preventScroll: true }), [])
  const xid = lock.holder ?? ''
  return (
    <aside className={classes['panel']} aria-label={t('detail')}>
      <header className={classes['panelHead']}>
        <div className={classes['grow']}>
          <h2 ref={head} tabIndex={-1} className="mono">
            {rowText(lock)}
          </h2>
          <span className={`mono dim ${classes['wrap']}`}>{lock.resource}</span>
        </div>
        <ActionIcon variant="subtle" color="gray" aria-label={t('close')} onClick={onClose}>
          <Icon path="M4 4l8 8M12 4l-8 8" />
        </ActionIcon>
      </header>
      <h3>{t('holder')}</h3>
      <Xid xid={xid} />
      <div>
        <When at={lock.since} both />
      </div>
      <Ways xid={xid} branch={lock.branch ?? ''} act={setAction} />
      <Waiters lock={lock} />
      <ActionDialog action={action} onClose={() => setAction(undefined)} />
    </aside>
  )
}

function Ways({ xid, branch, act }: { xid: string; branch: string; act: (action: Action) => void }) {
  const t = useWords(words)
  const { query } = useDetail(xid)
  const why = useWhy(xid)
  const detail = query.data
  if (query.isPending) return <Loading rows={3} />
  if (!detail || hasEnded(detail)) return <Text size="sm">{t('holderGone')}</Text>
  const active = detail.status === 'Active'
  const ways: readonly { op: Operation; verb: string; text: string }[] = [
    active
      ? { op: { action: 'rollback' }, verb: t('rollback'), text: t('rollbackText') }
      : { op: { action: 'retry' }, verb: t('retry'), text: t('retryText') },
    { op: { action: 'release', branch }, verb: t('release'), text: t('releaseText') },
  ]
  return (
    <>
      <p className={classes['why']}>{why.data?.sentence || detail.explanation}</p>
      <StatusBadge status={detail.status} stuck={detail.stuck} heuristic={detail.heuristic} />
      <h3>{t('can')}</h3>
      <ul className={classes['can']}>
        {ways.map(({ op, verb, text }) => {
          const reason = reasonAgainst(op, detail, why.data)
          return (
            <li key={op.action}>
              <Text size="sm" c="dimmed" className={classes['grow']!}>
                {reason || text}
              </Text>
              <MayButton
                role={op.action === 'release' ? 'resolver' : 'operator'}
                reason={reason}
                size="xs"
                variant="default"
                onClick={() => act(transactionAction(xid, op))}
              >
                {verb}
              </MayButton>
            </li>
          )
        })}
      </ul>
    </>
  )
}

function Waiters({ lock }: { lock: Lock }) {
  const t = useWords(words)
  const waits = useQuery({
    queryKey: ['locks', 'waits'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/waits', { params: { query: { limit: 500 } }, signal })),
    refetchInterval: 2000,
  })
  const own = (waits.data?.items ?? []).filter(
    (wait) => wait.resource === lock.resource && wait.table === lock.table && wait.pk === lock.pk,
  )
  return (
    <>
      <h3>{t('waitsFor')}</h3>
      {own.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('nobodyWaits')}
        </Text>
      )}
      <ul className={classes['can']}>
        {own.map((wait) => (
          <li key={`${wait.waiter} ${wait.since}`}>
            <span className={classes['grow']}>
              <Xid xid={wait.waiter ?? ''} />
            </span>
            <When at={wait.since} />
          </li>
        ))}
      </ul>
    </>
  )
}
