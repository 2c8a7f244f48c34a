// Text imports of migrations.
declare module "*.sql" {
  const text: string;
  export default text;
}
