import { hasRole, useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './access.module.css'
import { roles } from './draft.ts'
import { words } from './words.ts'

/** Me says who one is here, and what each role may do. */
export function Me() {
  const t = useWords(words)
  const me = useMe()
  if (me.error) return <ErrorBox error={me.error} retry={() => void me.refetch()} />
  if (!me.data) return null
  const { name, id, kind, roles: given = [], applications = [], groups = [], sessionEndsAt } = me.data
  const only = [...applications, ...groups]
  return (
    <div className={classes['me']}>
      <dl>
        <dt>{t('name')}</dt>
        <dd>
          <strong>{name}</strong> <span className="mono dim">{id}</span>
        </dd>
        <dt>{t('kind')}</dt>
        <dd>{kind ? t(`kind.${kind}`) : '–'}</dd>
        <dt>{t('roles')}</dt>
        <dd>{given.join(', ')}</dd>
        <dt>{t('restricted')}</dt>
        <dd>{only.length > 0 ? only.join(', ') : t('everything')}</dd>
        {sessionEndsAt && (
          <>
            <dt>{t('sessionEnds')}</dt>
            <dd>
              <When at={sessionEndsAt} both />
            </dd>
          </>
        )}
      </dl>
      <h2>{t('roles')}</h2>
      <ul>
        {roles.map((role) => (
          <li key={role}>
            <code>{role}</code>
            <span>{t(role)}</span>
            {hasRole(given, role) && <Mark tone="good" text={t('have')} />}
          </li>
        ))}
      </ul>
    </div>
  )
}
