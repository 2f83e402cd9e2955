import { Group } from '@mantine/core'
import { useMemo, type ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords, type Say } from '@/i18n'
import { absolute, bytes, count, span } from '@/i18n/format.ts'
import { branchName } from '@/shared/actions/follow.ts'
import { reasonAgainst } from '@/shared/actions/possible.ts'
import type { Operation } from '@/shared/actions/transactions.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Copy } from '@/shared/Xid.tsx'
import classes from './transaction.module.css'
import { words } from './words.ts'

type Detail = Schemas['TransactionDetail']
type Branch = Schemas['Branch']
type T = Say<keyof (typeof words)['en']>

const tones: Record<NonNullable<Branch['state']>, Tone> = {
  Registered: 'work',
  PhaseOneDone: 'work',
  PhaseOneFailed: 'bad',
  ReadOnly: 'good',
  Finished: 'good',
  Refused: 'bad',
  Published: 'work',
  Skipped: 'warn',
}

function State({ branch, t }: { branch: Branch; t: T }) {
  if (!branch.state) return null
  const tone = branch.failure && branch.state !== 'Finished' ? 'bad' : tones[branch.state]
  return <Mark tone={tone} text={t(`state_${branch.state}`)} />
}

/** Branches lists the participants of a transaction, and shows all of the one that is chosen. */
export function Branches({
  detail,
  why,
  act,
}: {
  detail: Detail
  why: Schemas['Why'] | undefined
  act: (op: Operation) => void
}) {
  const t = useWords(words)
  const [params, setParams] = useSearchParams()
  const all = useMemo(() => detail.branches ?? [], [detail.branches])
  const chosen =
    all.find((branch) => branch.id === params.get('branch')) ?? (all.length === 1 ? all[0] : undefined)
  const columns = useMemo(
    (): Column<Branch>[] => [
      { id: 'name', header: t('branch'), width: 'minmax(180px, 2fr)', cell: (b) => <Name branch={b} /> },
      { id: 'kind', header: t('kind'), width: '120px', cell: (b) => <span className="mono">{b.kind}</span> },
      { id: 'state', header: t('state'), width: '160px', cell: (b) => <State branch={b} t={t} /> },
      {
        id: 'attempts',
        header: t('attempts'),
        width: '90px',
        align: 'right',
        cell: (b) => count(b.attempts ?? 0),
      },
      {
        id: 'next',
        header: t('nextAttempt'),
        width: '130px',
        cell: (b) => b.nextAttemptAt && <When at={b.nextAttemptAt} />,
      },
      {
        id: 'rows',
        header: t('rows'),
        width: '80px',
        align: 'right',
        cell: (b) => (b.lockedRows ? count(b.lockedRows) : ''),
      },
      {
        id: 'error',
        header: t('lastError'),
        width: 'minmax(180px, 3fr)',
        cell: (b) => (
          <span className="mono" title={b.failure}>
            {b.failure}
          </span>
        ),
      },
    ],
    [t],
  )
  if (all.length === 0) return <Empty title={t('noBranches')} text={t('noBranchesText')} />
  const choose = (branch: Branch) =>
    setParams(
      (was) => {
        const next = new URLSearchParams(was)
        next.set('branch', branch.id ?? '')
        return next
      },
      { replace: true },
    )
  return (
    <>
      <DataTable
        label={t('tabBranches')}
        rows={all}
        rowId={(branch) => branch.id ?? ''}
        columns={columns}
        onOpen={choose}
        height={all.length > 9 ? '380px' : `${all.length * 38 + 40}px`}
      />
      <div className={classes['replay']}>
        {chosen && <One branch={chosen} detail={detail} why={why} act={act} />}
        {!chosen && <div className="dim">{t('chooseBranch')}</div>}
      </div>
    </>
  )
}

function Name({ branch }: { branch: Branch }) {
  const name = branchName(branch)
  return (
    <>
      {name} {name !== branch.id && <span className="dim mono">{branch.id}</span>}
    </>
  )
}

/** One shows all that is known of a branch, and what can be done about it. */
function One({
  branch,
  detail,
  why,
  act,
}: {
  branch: Branch
  detail: Detail
  why: Schemas['Why'] | undefined
  act: (op: Operation) => void
}) {
  const t = useWords(words)
  const id = branch.id
  return (
    <section aria-label={`${t('branch')} ${branchName(branch)}`} className={classes['one']}>
      <Group justify="space-between" gap="sm">
        <Group gap="sm">
          <h3 style={{ margin: 0 }}>{branchName(branch)}</h3>
          <State branch={branch} t={t} />
        </Group>
        <Group gap="xs">
          {(['retry', 'skip', 'release'] as const).map((action) => (
            <MayButton
              key={action}
              size="xs"
              variant="default"
              role={action === 'retry' ? 'operator' : 'resolver'}
              reason={reasonAgainst({ action, branch: id }, detail, why) || undefined}
              onClick={() => act({ action, branch: id })}
            >
              {t(action)}
            </MayButton>
          ))}
        </Group>
      </Group>
      {branch.failure && (
        <div>
          <div className={classes['factName']}>{t('saidLast')}</div>
          <p className={`${classes['said']} mono`}>{branch.failure}</p>
        </div>
      )}
      <dl className={classes['pairs']}>
        {facts(branch, t).map(([name, value]) => (
          <Pair key={name} name={name}>
            {value}
          </Pair>
        ))}
      </dl>
    </section>
  )
}

function Pair({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

function facts(branch: Branch, t: T): [string, ReactNode][] {
  const text = (value: string | undefined) =>
    value ? (
      <span className="mono">
        {value} <Copy text={value} />
      </span>
    ) : undefined
  const all: [string, ReactNode][] = [
    [t('branch'), text(branch.id)],
    [t('kind'), branch.kind],
    [t('key'), text(branch.key)],
    [t('resource'), text(branch.resource)],
    [t('client'), text(branch.client)],
    [t('registered'), <When key="r" at={branch.registeredAt} both />],
    [t('commitUrl'), text(branch.commitUrl)],
    [t('rollbackUrl'), text(branch.rollbackUrl)],
    [
      t('callTimeout'),
      branch.commitUrl || branch.rollbackUrl
        ? branch.timeoutMs
          ? span(branch.timeoutMs)
          : t('serverLimit')
        : undefined,
    ],
    [t('attempts'), <Attempts key="a" branch={branch} t={t} />],
    [t('nextAttempt'), branch.nextAttemptAt && <When key="n" at={branch.nextAttemptAt} both />],
    [t('lockedRows'), branch.lockedRows ? count(branch.lockedRows) : undefined],
    [t('dataBytes'), branch.dataBytes ? bytes(branch.dataBytes) : t('none')],
  ]
  return all.filter(([, value]) => value !== undefined && value !== '')
}

function Attempts({ branch, t }: { branch: Branch; t: T }) {
  return (
    <>
      {count(branch.attempts ?? 0)}
      {branch.ongoing ? <span className="dim"> · {t('ongoing', { n: branch.ongoing })}</span> : null}
      {branch.inFlightUntil && <span> · {t('inFlight', { when: absolute(branch.inFlightUntil) })}</span>}
    </>
  )
}
