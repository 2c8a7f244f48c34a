// Trainer of a tiny llama-architecture model: fp32, AdamW, OpenMP. Weights keep GGUF's row-major layout [out][in].
// train docs.bin w.bin STEPS LEARNING_RATE LAYERS DIM FEED_FORWARD HEADS VOCABULARY SECONDS; README.md has the call.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <stdint.h>
#include <time.h>
typedef float v8 __attribute__((vector_size(32), aligned(4)));
static int D=128,L=4,H=4,F=384,V=512,T=128,B=16;
static float EPS=1e-5f;
static void gemm(int M,int N,int K,const float*A,const float*Bm,float*C,int acc) {
  // C[M,N] (+)= A[M,K] B[K,N]; N%16==0, M%4==0
  #pragma omp parallel for schedule(static)
  for(int m=0;m<M;m+=4) for(int n=0;n<N;n+=16) {
    v8 c[4][2];
    for(int i=0;i<4;i++)for(int j=0;j<2;j++) c[i][j]=acc?*(v8*)(C+(size_t)(m+i)*N+n+8*j):(v8){0};
    for(int k=0;k<K;k++) {
      v8 b0=*(v8*)(Bm+(size_t)k*N+n),b1=*(v8*)(Bm+(size_t)k*N+n+8);
      for(int i=0;i<4;i++) {
        float a=A[(size_t)(m+i)*K+k];
        c[i][0]+=a*b0;
        c[i][1]+=a*b1;
      }
    }
    for(int i=0;i<4;i++)for(int j=0;j<2;j++) *(v8*)(C+(size_t)(m+i)*N+n+8*j)=c[i][j];
  }
}

static float*scr;
static void tr(int R,int Cc,const float*A,float*o) {
  #pragma omp parallel for schedule(static)
  for(int c0=0;c0<Cc;c0+=16) for(int r=0;r<R;r++) for(int c=c0;c<c0+16&&c<Cc;c++) o[(size_t)c*R+r]=A[(size_t)r*Cc+c];
}

static void lin(int M,int I,int O,const float*X,const float*W,float*Y) {
  tr(O,I,W,scr);
  gemm(M,O,I,X,scr,Y,0);
}

static void linb(int M,int I,int O,const float*X,const float*W,const float*dY,float*dX,float*dW,int acc) {
  if(dX) gemm(M,I,O,dY,W,dX,acc);
  tr(M,O,dY,scr);
  gemm(O,I,M,scr,X,dW,1);
}

static void rms(int M,const float*X,const float*g,float*Y,float*r) {
  for(int m=0;m<M;m++) {
    float s=0;
    const float*x=X+(size_t)m*D;
    for(int i=0;i<D;i++)s+=x[i]*x[i];
    r[m]=1/sqrtf(s/D+EPS);
    for(int i=0;i<D;i++)Y[(size_t)m*D+i]=x[i]*r[m]*g[i];
  }
}

static void rmsb(int M,const float*X,const float*g,const float*r,const float*dY,float*dX,float*dg) {
  for(int m=0;m<M;m++) {
    const float*x=X+(size_t)m*D,*dy=dY+(size_t)m*D;
    float s=0;
    for(int i=0;i<D;i++) {
      s+=dy[i]*g[i]*x[i];
      dg[i]+=dy[i]*x[i]*r[m];
    }
    float k=r[m]*r[m]*r[m]*s/D;
    for(int i=0;i<D;i++) dX[(size_t)m*D+i]+=dy[i]*g[i]*r[m]-x[i]*k;
  }
}

static void rope(float*X,int M,int dir) {
  int hd=D/H;
  for(int m=0;m<M;m++) {
    int pos=m%T;
    for(int h=0;h<H;h++)for(int i=0;i<hd;i+=2) {
      float th=pos*powf(10000.f,-(float)i/hd),c=cosf(th),s=dir*sinf(th);
      float*x=X+(size_t)m*D+h*hd+i,a=x[0],b=x[1];
      x[0]=a*c-b*s;
      x[1]=a*s+b*c;
    }
  }
}

typedef struct {
  size_t an,q,k,v,o,fn,g,u,d;
} Lw;
static Lw lw[16];
static size_t NP,EMB,ON;
static uint64_t rs=88172645463325252ull;
static double rnd() {
  rs^=rs<<13;
  rs^=rs>>7;
  rs^=rs<<17;
  return (rs>>11)*(1.0/9007199254740992.0);
}

static float gs() {
  return sqrt(-2*log(rnd()+1e-12))*cos(6.283185307*rnd());
}

static float*al(size_t n) {
  float*p=aligned_alloc(64,((n*4+63)/64)*64);
  memset(p,0,n*4);
  return p;
}

int main(int ac,char**av) {
  // train docs.bin out.bin steps lr layers dim ff heads vocab seconds
  int steps=atoi(av[3]);
  float LR=atof(av[4]);
  L=atoi(av[5]);
  D=atoi(av[6]);
  F=atoi(av[7]);
  H=atoi(av[8]);
  V=atoi(av[9]);
  double limit=atof(av[10]);
  FILE*f=fopen(av[1],"rb");
  fseek(f,0,SEEK_END);
  size_t nb=ftell(f);
  rewind(f);
  int32_t*raw=malloc(nb);
  if(fread(raw,1,nb,f)!=nb)return 1;
  fclose(f);
  // [len, tok...]* ; negative tok = no loss on predicting it
  int nd=0;
  int off[200000];
  for(size_t p=0;p<nb/4;p+=raw[p]+1) off[nd++]=p;
  printf("%d docs, %zu tokens\n",nd,nb/4-nd);
  size_t p=0;
  EMB=p;
  p+=(size_t)V*D;
  for(int l=0;l<L;l++) {
    lw[l].an=p;
    p+=D;
    lw[l].q=p;
    p+=D*D;
    lw[l].k=p;
    p+=D*D;
    lw[l].v=p;
    p+=D*D;
    lw[l].o=p;
    p+=D*D;
    lw[l].fn=p;
    p+=D;
    lw[l].g=p;
    p+=D*F;
    lw[l].u=p;
    p+=D*F;
    lw[l].d=p;
    p+=D*F;
  }
  ON=p;
  p+=D;
  NP=p;
  float*W=al(NP),*G=al(NP),*m1=al(NP),*m2=al(NP);
  for(size_t i=0;i<NP;i++)W[i]=gs()*0.02f*(i<(size_t)V*D?2.5f:2.5f);
  for(int l=0;l<L;l++)for(int i=0;i<D;i++)W[lw[l].an+i]=W[lw[l].fn+i]=1;
  for(int i=0;i<D;i++)W[ON+i]=1;
  for(int l=0;l<L;l++) {
    for(int i=0;i<D*D;i++)W[lw[l].o+i]/=sqrtf(2*L);
    for(int i=0;i<D*F;i++)W[lw[l].d+i]/=sqrtf(2*L);
  }
  int M=B*T,hd=D/H;
  scr=al((size_t)M*(V>F?V:F)+(size_t)V*D);
  printf("%zu params\n",NP);
  float*X[33],*XM[16],*N1[16],*N2[16],*Q[16],*K[16],*VV[16],*AT[16],*AO[16],*GG[16],*U[16],*S[16],*r1[16],*r2[16];
  for(int l=0;l<=L;l++)X[l]=al((size_t)M*D);
  for(int l=0;l<L;l++) {
    XM[l]=al(M*D);
    N1[l]=al(M*D);
    N2[l]=al(M*D);
    Q[l]=al(M*D);
    K[l]=al(M*D);
    VV[l]=al(M*D);
    AO[l]=al(M*D);
    AT[l]=al((size_t)B*H*T*T);
    GG[l]=al(M*F);
    U[l]=al(M*F);
    S[l]=al(M*F);
    r1[l]=al(M);
    r2[l]=al(M);
  }
  float*XN=al(M*D),*rf=al(M),*LG=al((size_t)M*V),*dX=al(M*D),*dN=al(M*D),*dA=al(M*D),*dQ=al(M*D),*dK=al(M*D),*dV=al(M*D),*dS=al(M*F),*dG=al(M*F),*dU=al(M*F);
  int*in=malloc(M*4),*tg=malloc(M*4),*start=malloc(M*4);
  float*mk=malloc(M*4);
  struct timespec t0,t1;
  clock_gettime(CLOCK_MONOTONIC,&t0);
  double ema=0;
  int st;
  for(st=1;st<=steps;st++) {
    for(int b=0;b<B;b++) {
      int n=0,s0=0;
      while(n<T) {
        int32_t*d=raw+off[(int)(rnd()*nd)];
        int len=d[0];
        s0=n;
        for(int i=1;i<len&&n<T;i++) {
          in[b*T+n]=abs(d[i]);
          tg[b*T+n]=abs(d[i+1]);
          mk[b*T+n]=d[i+1]<0?0.15f:1;
          start[b*T+n]=s0;
          n++;
        }
      }
    }
    for(int m=0;m<M;m++)memcpy(X[0]+(size_t)m*D,W+EMB+(size_t)in[m]*D,D*4);
    for(int l=0;l<L;l++) {
      Lw w=lw[l];
      rms(M,X[l],W+w.an,N1[l],r1[l]);
      lin(M,D,D,N1[l],W+w.q,Q[l]);
      lin(M,D,D,N1[l],W+w.k,K[l]);
      lin(M,D,D,N1[l],W+w.v,VV[l]);
      rope(Q[l],M,1);
      rope(K[l],M,1);
      float sc=1/sqrtf(hd);
      #pragma omp parallel for schedule(static)
      for(int bh=0;bh<B*H;bh++) {
        int b=bh/H,h=bh%H;
        float*a=AT[l]+(size_t)bh*T*T;
        for(int t=0;t<T;t++) {
          int s0=start[b*T+t];
          float*q=Q[l]+(size_t)(b*T+t)*D+h*hd,mx=-1e9,sum=0;
          for(int s=s0;s<=t;s++) {
            float*k=K[l]+(size_t)(b*T+s)*D+h*hd,d=0;
            for(int i=0;i<hd;i++)d+=q[i]*k[i];
            d*=sc;
            a[t*T+s]=d;
            if(d>mx)mx=d;
          }
          for(int s=s0;s<=t;s++) {
            a[t*T+s]=expf(a[t*T+s]-mx);
            sum+=a[t*T+s];
          }
          float*o=AO[l]+(size_t)(b*T+t)*D+h*hd;
          for(int i=0;i<hd;i++)o[i]=0;
          for(int s=s0;s<=t;s++) {
            a[t*T+s]/=sum;
            float*v=VV[l]+(size_t)(b*T+s)*D+h*hd;
            for(int i=0;i<hd;i++)o[i]+=a[t*T+s]*v[i];
          }
        }
      }
      lin(M,D,D,AO[l],W+w.o,XM[l]);
      for(int i=0;i<M*D;i++)XM[l][i]+=X[l][i];
      rms(M,XM[l],W+w.fn,N2[l],r2[l]);
      lin(M,D,F,N2[l],W+w.g,GG[l]);
      lin(M,D,F,N2[l],W+w.u,U[l]);
      for(int i=0;i<M*F;i++) {
        float g=GG[l][i];
        S[l][i]=g/(1+expf(-g))*U[l][i];
      }
      lin(M,F,D,S[l],W+w.d,X[l+1]);
      for(int i=0;i<M*D;i++)X[l+1][i]+=XM[l][i];
    }
    rms(M,X[L],W+ON,XN,rf);
    lin(M,D,V,XN,W+EMB,LG);
    double loss=0,cnt=0;
    for(int m=0;m<M;m++)cnt+=mk[m];
    for(int m=0;m<M;m++) {
      float*g=LG+(size_t)m*V,mx=-1e9,s=0;
      for(int i=0;i<V;i++)if(g[i]>mx)mx=g[i];
      for(int i=0;i<V;i++) {
        g[i]=expf(g[i]-mx);
        s+=g[i];
      }
      loss-=mk[m]*log(g[tg[m]]/s+1e-20);
      float k=mk[m]/cnt;
      for(int i=0;i<V;i++)g[i]=g[i]/s*k;
      g[tg[m]]-=k;
    }
    loss/=cnt;
    memset(G,0,NP*4);
    memset(dX,0,M*D*4);
    linb(M,D,V,XN,W+EMB,LG,dN,G+EMB,0);
    rmsb(M,X[L],W+ON,rf,dN,dX,G+ON);
    for(int l=L-1;l>=0;l--) {
      Lw w=lw[l];
      linb(M,F,D,S[l],W+w.d,dX,dS,G+w.d,0);
      for(int i=0;i<M*F;i++) {
        float g=GG[l][i],sg=1/(1+expf(-g));
        dU[i]=dS[i]*g*sg;
        dG[i]=dS[i]*U[l][i]*sg*(1+g*(1-sg));
      }
      linb(M,D,F,N2[l],W+w.g,dG,dN,G+w.g,0);
      linb(M,D,F,N2[l],W+w.u,dU,dN,G+w.u,1);
      rmsb(M,XM[l],W+w.fn,r2[l],dN,dX,G+w.fn);
      linb(M,D,D,AO[l],W+w.o,dX,dA,G+w.o,0);
      memset(dQ,0,M*D*4);
      memset(dK,0,M*D*4);
      memset(dV,0,M*D*4);
      float sc=1/sqrtf(hd);
      #pragma omp parallel for schedule(static)
      for(int bh=0;bh<B*H;bh++) {
        int b=bh/H,h=bh%H;
        float*a=AT[l]+(size_t)bh*T*T,da[1024];
        for(int t=0;t<T;t++) {
          int s0=start[b*T+t];
          float*o=dA+(size_t)(b*T+t)*D+h*hd,dot=0;
          for(int s=s0;s<=t;s++) {
            float*v=VV[l]+(size_t)(b*T+s)*D+h*hd,*dv=dV+(size_t)(b*T+s)*D+h*hd,x=0,at=a[t*T+s];
            for(int i=0;i<hd;i++) {
              x+=o[i]*v[i];
              dv[i]+=at*o[i];
            }
            da[s]=x;
            dot+=x*at;
          }
          float*q=Q[l]+(size_t)(b*T+t)*D+h*hd,*dq=dQ+(size_t)(b*T+t)*D+h*hd;
          for(int s=s0;s<=t;s++) {
            float z=a[t*T+s]*(da[s]-dot)*sc;
            float*k=K[l]+(size_t)(b*T+s)*D+h*hd,*dk=dK+(size_t)(b*T+s)*D+h*hd;
            for(int i=0;i<hd;i++) {
              dq[i]+=z*k[i];
              dk[i]+=z*q[i];
            }
          }
        }
      }
      rope(dQ,M,-1);
      rope(dK,M,-1);
      linb(M,D,D,N1[l],W+w.q,dQ,dN,G+w.q,0);
      linb(M,D,D,N1[l],W+w.k,dK,dN,G+w.k,1);
      linb(M,D,D,N1[l],W+w.v,dV,dN,G+w.v,1);
      rmsb(M,X[l],W+w.an,r1[l],dN,dX,G+w.an);
    }
    for(int m=0;m<M;m++) {
      float*g=G+EMB+(size_t)in[m]*D;
      for(int i=0;i<D;i++)g[i]+=dX[(size_t)m*D+i];
    }
    double gn=0;
    for(size_t i=0;i<NP;i++)gn+=G[i]*G[i];
    gn=sqrt(gn);
    float clip=gn>1?1/gn:1;
    clock_gettime(CLOCK_MONOTONIC,&t1);
    double el=t1.tv_sec-t0.tv_sec+(t1.tv_nsec-t0.tv_nsec)*1e-9;
    double fr=fmax((double)st/steps,el/limit);
    if(fr>1)fr=1;
    float lr=LR*fminf(1,st/40.f)*(0.03f+0.97f*0.5f*(1+cosf(3.14159f*fr))),b1=1-powf(0.9f,st),b2=1-powf(0.98f,st);
    for(size_t i=0;i<NP;i++) {
      float g=G[i]*clip;
      m1[i]=0.9f*m1[i]+0.1f*g;
      m2[i]=0.98f*m2[i]+0.02f*g*g;
      W[i]-=lr*(m1[i]/b1/(sqrtf(m2[i]/b2)+1e-8f)+0.02f*W[i]);
    }
    ema=st==1?loss:0.95*ema+0.05*loss;
    if(st%25==0||st==1) {
      printf("step %d loss %.4f ema %.4f |g| %.2f %.0f tok/s %.0fs\n",st,loss,ema,gn,(double)st*M/el,el);
      fflush(stdout);
    }
    if(el>limit)break;
  }
  f=fopen(av[2],"wb");
  fwrite(W,4,NP,f);
  fclose(f);
  printf("done after %d steps\n",st);
  return 0;
}
