import { useMemo, useState } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './cluster.module.css'
import { drainAction } from './drain.ts'
import { words } from './words.ts'

type Node = Schemas['Node']

const tones = { alive: 'good', draining: 'warn', gone: 'idle' } as const

/** Nodes lists the members, with what can be done to them. */
export function Nodes({ nodes }: { nodes: readonly Node[] }) {
  const t = useWords(words)
  const [action, setAction] = useState<Action>()
  const others = nodes.filter((node) => node.state === 'alive').length > 1
  const columns = useMemo<readonly Column<Node>[]>(
    () => [
      {
        id: 'node',
        header: t('node'),
        width: 'minmax(200px, 2fr)',
        cell: (node) => (
          <>
            <span className="mono">{node.id}</span> {node.self && <span className="dim">({t('answers')})</span>}
          </>
        ),
      },
      {
        id: 'state',
        header: t('state'),
        width: '120px',
        cell: (node) => <Mark tone={tones[node.state ?? 'gone']} text={t(node.state ?? 'gone')} />,
      },
      { id: 'epoch', header: t('epoch'), width: '80px', align: 'right', cell: (node) => node.epoch ?? 0 },
      {
        id: 'address',
        header: t('address'),
        width: 'minmax(150px, 1fr)',
        cell: (node) => mono(node.advertise),
      },
      {
        id: 'internal',
        header: t('internal'),
        width: 'minmax(150px, 1fr)',
        cell: (node) => mono(node.internal),
      },
      { id: 'version', header: t('version'), width: '110px', cell: (node) => node.version },
      { id: 'joined', header: t('joined'), width: '130px', cell: (node) => <When at={node.joinedAt} /> },
      { id: 'lease', header: t('lease'), width: '120px', cell: (node) => <When at={node.leaseUntil} /> },
      {
        id: 'drain',
        header: '',
        width: '150px',
        cell: (node) =>
          node.state === 'gone' ? null : (
            <MayButton
              role="admin"
              size="compact-xs"
              variant="default"
              aria-label={`${t(node.state === 'draining' ? 'undrain' : 'drain')} ${node.id}`}
              reason={node.state === 'alive' && !others ? t('drainAlone') : undefined}
              onClick={() => setAction(drainAction(node.id ?? '', node.state !== 'draining'))}
            >
              {t(node.state === 'draining' ? 'undrain' : 'drain')}
            </MayButton>
          ),
      },
    ],
    [t, others],
  )
  return (
    <>
      <DataTable label={t('nodes')} rows={nodes} rowId={(node) => node.id ?? ''} columns={columns} />
      {nodes.length === 1 && <p className={classes['note']}>{t('alone')}</p>}
      <ActionDialog action={action} onClose={() => setAction(undefined)} />
    </>
  )
}

function mono(text: string | undefined) {
  return text ? <span className="mono">{text}</span> : <span className="dim">–</span>
}
