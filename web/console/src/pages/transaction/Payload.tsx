import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { bytes } from '@/i18n/format.ts'
import { branchName } from '@/shared/actions/follow.ts'
import { JsonView } from '@/shared/JsonView.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import classes from './transaction.module.css'
import { words } from './words.ts'

const branchesShown = 100

/** Payload shows what the client gave, with what the server hides from people. */
export function Payload({ detail }: { detail: Schemas['TransactionDetail'] }) {
  const t = useWords(words)
  const masked = detail.masked ?? []
  const withData = (detail.branches ?? []).filter((branch) => branch.dataBytes)
  return (
    <div className={classes['replay']} style={{ borderTop: 0 }}>
      <h3 className={classes['factName']}>{t('payloadTitle')}</h3>
      {detail.data ? (
        <JsonView
          value={detail.data}
          label={t('payloadTitle')}
          file={`${numberOf(detail.xid ?? '')}-data.json`}
        />
      ) : (
        <div className="dim">{t('noPayload')}</div>
      )}
      {masked.length > 0 && (
        <div data-masked>
          <h3 className={classes['factName']}>{t('maskedTitle')}</h3>
          <div className={classes['factMore']}>{t('maskedText')}</div>
          <ul className={classes['causes']}>
            {masked.map((one) => (
              <li key={one.path} className="mono">
                {t('maskedLine', { path: one.path ?? '', rule: one.rule ?? '' })}
              </li>
            ))}
          </ul>
        </div>
      )}
      {withData.length > 0 && (
        <div>
          <h3 className={classes['factName']}>{t('branchData')}</h3>
          <div className={classes['factMore']}>{t('branchDataText')}</div>
          <dl className={classes['pairs']} style={{ marginTop: 8 }}>
            {withData.slice(0, branchesShown).flatMap((branch) => [
              <dt key={`${branch.id} name`}>{branchName(branch)}</dt>,
              <dd key={`${branch.id} bytes`} className="num">
                {bytes(branch.dataBytes ?? 0)}
              </dd>,
            ])}
          </dl>
        </div>
      )}
    </div>
  )
}
